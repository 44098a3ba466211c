// --- the page -----------------------------------------------------------------

const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const canHover = window.matchMedia("(hover: hover)");
const isDark = window.matchMedia("(prefers-color-scheme: dark)");

document.title = `${DATA.title} – geoclusters`;
document.getElementById("title").textContent = DATA.title;
document.getElementById("summary").textContent = DATA.summary;
document.getElementById("count").textContent =
  CLUSTERS.count === 1 ? "1 cluster" : `${whole.format(CLUSTERS.count)} clusters`;

// --- light and dark ---

const themeButton = document.getElementById("theme");
let themeByHand = null;

function applyTheme() {
  const dark = themeByHand ?? isDark.matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  themeButton.setAttribute("aria-pressed", String(dark));
  board.refreshColours();
  board.redraw();
}

themeButton.addEventListener("click", () => {
  themeByHand = !(themeByHand ?? isDark.matches);
  applyTheme();
});
isDark.addEventListener("change", applyTheme);

// --- the map ---

const viewBounds = L.latLngBounds(
  latLng(DATA.view[0], DATA.view[1]),
  latLng(DATA.view[2], DATA.view[3]),
);
const map = L.map("map", {
  crs: PLANE,
  minZoom: -20, // until the first view is known
  zoomSnap: 0.25,
  zoomDelta: 0.75,
  wheelPxPerZoomLevel: 90,
  // Down to a quarter of a metre a pixel.
  maxZoom: Math.max(Math.ceil(Math.log2(METRES_AT_0 / 0.25)), 2),
  zoomAnimation: !isCalm,
  fadeAnimation: !isCalm,
  markerZoomAnimation: !isCalm,
  inertia: !isCalm,
  attributionControl: false,
  closePopupOnClick: false,
});
map.fitBounds(viewBounds, { padding: [26, 26], animate: false });
map.firstZoom = map.getZoom();
map.setMinZoom(map.firstZoom - 1);

/**
 * Some of the region stays in sight. Leaflet's own bounds would let no popup stand beside
 * a small map of the whole globe.
 */
map.on("moveend", () => {
  const scale = 2 ** map.getZoom() / METRES_AT_0;
  const half = map.getSize().divideBy(2).subtract([60, 60]).divideBy(scale);
  const { lat: y, lng: x } = map.getCenter();
  const [west, south, east, north] = DATA.region;
  const insideX = Math.min(Math.max(x, west - half.x), east + half.x);
  const insideY = Math.min(Math.max(y, south - half.y), north + half.y);
  const isOutside = Math.hypot(insideX - x, insideY - y) * scale > 2;
  if (isOutside) map.panTo(latLng(insideX, insideY), { animate: false });
});

L.control
  .attribution({ prefix: false })
  .addAttribution(
    `${DATA.attribution} · <a href="https://leafletjs.com" rel="noopener noreferrer">Leaflet</a>`,
  )
  .addTo(map);
new Scale({ position: "bottomleft" }).addTo(map);

const board = new Board();
const themes = [
  ["places", "Places", true],
  ["areas", "Service areas", Boolean(SHAPES.areas)],
  ["hulls", "Hulls", !SHAPES.areas],
  ["own", "Borders", true],
  ["grid", "Grid", true],
].filter(([name]) => name === "places" || name === "grid" || SHAPES[name]);
for (const [name, , isShown] of themes) if (isShown) board.shown.add(name);
const overlays = {};
for (const [name, label, isShown] of themes) {
  overlays[label] = new Theme(board, name);
  if (isShown) overlays[label].addTo(map);
}
const markers = new Markers(map, board, {
  onSelect: (i) => select(i, { showRow: true }),
  onHover: hoverCluster,
});
applyTheme();
board.addTo(map);
const layers = L.control.layers({}, overlays, {
  collapsed: map.getSize().x < 560,
});
layers.addTo(map);
nameLayers();

/** Leaflet's control says too little to a screen reader. */
function nameLayers() {
  const box = layers.getContainer();
  box.removeAttribute("aria-haspopup");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "What the map shows");
  box.querySelector("a").setAttribute("aria-label", "Layers");
}

new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(map.getContainer());

// --- what is under the pointer ---

const tooltip = L.tooltip({ direction: "top", offset: [0, -8], opacity: 1 });

function point(at, content) {
  tooltip.setLatLng(at).setContent(content);
  if (!map.hasLayer(tooltip)) tooltip.addTo(map);
}

function hoverCluster(i) {
  if (i < 0 || !canHover.matches) {
    tooltip.remove();
    return;
  }
  const lines = [
    element("strong", {}, `Cluster ${i + 1}`),
    `${placesText(CLUSTERS.size[i])} (${shareText(CLUSTERS.share[i])})`,
  ];
  if (CLUSTERS.meanDistance) lines.push(`mean ${distanceText(CLUSTERS.meanDistance[i])}`);
  point(latLng(CLUSTERS.x[i], CLUSTERS.y[i]), lined(lines));
}

function hoverPlace(i) {
  const lines = [
    placeName(i),
    `Cluster ${PLACES.cluster[i] + 1}, ${distanceText(PLACES.distance[i])} away`,
  ];
  point(latLng(PLACES.x[i], PLACES.y[i]), lined(lines));
}

function placeName(i) {
  const row = `Row ${PLACES.row[i]}`;
  const id = PLACES.id?.[i];
  return id
    ? element("span", {}, element("strong", {}, foreign(id)), ` · ${row}`)
    : element("strong", {}, row);
}

function lined(lines) {
  return element("div", { class: "lines" }, ...lines.map((line) => element("div", {}, line)));
}

const reach = () => (canHover.matches ? 8 : 18);

map.on("mousemove", ({ containerPoint, originalEvent }) => {
  if (!canHover.matches) return;
  if (originalEvent.target.closest?.(".centroid, .leaflet-control, .leaflet-popup")) return;
  const cluster = board.centroidAt(containerPoint, 2);
  const place = cluster < 0 ? board.placeAt(containerPoint, 8) : -1;
  map.getContainer().classList.toggle("pointing", cluster >= 0 || place >= 0);
  if (cluster >= 0) hoverCluster(cluster);
  else if (place >= 0) hoverPlace(place);
  else tooltip.remove();
});
map.on("mouseout movestart", () => tooltip.remove());

map.on("click", ({ containerPoint }) => {
  const cluster = board.centroidAt(containerPoint, canHover.matches ? 2 : 10);
  if (cluster >= 0) {
    select(cluster, { showRow: true });
    return;
  }
  const place = board.placeAt(containerPoint, reach());
  if (place >= 0) openPlace(place);
  else map.closePopup();
});

// --- popups, and the chosen cluster ---

let open = null;
/** Where the keyboard goes on when a popup that it was in is closed. */
let opener = null;

function openPopup(at, content, label, offset) {
  const active = document.activeElement;
  if (!active?.closest?.(".leaflet-popup")) opener = active;
  tooltip.remove();
  open = L.popup({
    maxWidth: Math.min(300, map.getSize().x - 60),
    maxHeight: Math.max(map.getSize().y - 90, 120),
    offset,
    autoPanPadding: [14, 14],
    closeOnClick: false,
  })
    .setLatLng(at)
    .setContent(content);
  const shown = open;
  shown.openOn(map);
  const box = shown.getElement();
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-label", label);
  makeRoom();
}

/** Controls stand above popups: those that would cover this one step aside. */
function makeRoom() {
  const box = open?.getElement()?.getBoundingClientRect();
  for (const control of map.getContainer().querySelectorAll(".leaflet-control")) {
    const { left, right, top, bottom } = control.getBoundingClientRect();
    const meets =
      box && left < box.right && box.left < right && top < box.bottom && box.top < bottom;
    control.classList.toggle("aside", Boolean(meets));
  }
}

map.on("moveend zoomend", makeRoom);
map.on("popupclose", ({ popup }) => {
  const had = popup.getElement()?.contains(document.activeElement);
  if (popup !== open) return;
  open = null;
  makeRoom();
  if (had) (opener?.isConnected ? opener : map.getContainer()).focus({ preventScroll: true });
  choose(-1);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  tooltip.remove();
  map.closePopup();
});

const figures = (pairs) =>
  element(
    "dl",
    {},
    ...pairs
      .filter(([, value]) => value !== null)
      .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );

function heading(i, ...words) {
  const swatch = element("span", { class: "swatch" });
  swatch.style.backgroundColor = DATA.palette[CLUSTERS.colour[i]];
  return element("h3", {}, swatch, ...words);
}

const coordinates = (latitude, longitude, text) =>
  element("span", { class: "coordinates" }, `${text(latitude)}, ${text(longitude)}`);

function select(i, { showRow = false } = {}) {
  const at = latLng(CLUSTERS.x[i], CLUSTERS.y[i]);
  const distance = (name) => CLUSTERS[name] && distanceText(CLUSTERS[name][i]);
  const hasNearest = CLUSTERS.nearestRow && CLUSTERS.nearestRow[i] > 0;
  const closer = element("button", { type: "button", class: "plain" }, "Zoom to it");
  closer.addEventListener("click", () => zoomTo(i));
  const content = element(
    "div",
    { class: "figures" },
    heading(i, `Cluster ${i + 1}`),
    figures([
      ["Area", CLUSTERS.area(i) ? foreign(CLUSTERS.area(i)) : null],
      ["Places", `${whole.format(CLUSTERS.size[i])} (${shareText(CLUSTERS.share[i])})`],
      ["Mean distance", distance("meanDistance")],
      ["Median", distance("medianDistance")],
      ["95 % within", distance("p95Distance")],
      ["Farthest", distance("maxDistance")],
      ["Centroid", coordinates(CLUSTERS.latitude[i], CLUSTERS.longitude[i], degreesText)],
      ["Nearest place", hasNearest ? nearestPlace(i) : null],
    ]),
    closer,
  );
  if (!map.getBounds().pad(-0.05).contains(at)) map.panTo(at, { animate: false });
  choose(i, showRow);
  openPopup(at, content, `Cluster ${i + 1}`, [0, -8]);
  document.getElementById("said").textContent = spoken(i);
}

function nearestPlace(i) {
  const id = CLUSTERS.nearestId?.[i];
  return element(
    "span",
    {},
    ...(id ? [foreign(id), ` · `] : []),
    `row ${CLUSTERS.nearestRow[i]}`,
    element("br"),
    `${distanceText(CLUSTERS.nearestDistance[i])} away`,
    element("br"),
    coordinates(CLUSTERS.nearestLatitude[i], CLUSTERS.nearestLongitude[i], shortDegreesText),
  );
}

function openPlace(i) {
  const cluster = PLACES.cluster[i];
  const link = element("button", { type: "button", class: "plain" }, `Cluster ${cluster + 1}`);
  link.addEventListener("click", () => select(cluster, { showRow: true }));
  const content = element(
    "div",
    { class: "figures" },
    heading(cluster, placeName(i)),
    figures([
      ["Place", coordinates(PLACES.latitude[i], PLACES.longitude[i], shortDegreesText)],
      ["To the centroid", distanceText(PLACES.distance[i])],
    ]),
    link,
  );
  choose(-1);
  openPopup(latLng(PLACES.x[i], PLACES.y[i]), content, `Row ${PLACES.row[i]}`, [0, -2]);
}

function choose(i, isShown = false) {
  board.chosen = i;
  markers.choose(i);
  board.redraw();
  table.choose(i, isShown);
}

/** Show all of a cluster: its shape, or else its places. */
function zoomTo(i) {
  const bounds = L.latLngBounds([latLng(CLUSTERS.x[i], CLUSTERS.y[i])]);
  const shapes = SHAPES.hulls ?? SHAPES.areas;
  const rings = shapes ? [shapes.firstRing[i], shapes.firstRing[i + 1]] : [0, 0];
  for (let ring = rings[0]; ring < rings[1]; ring++) {
    const [west, south, east, north] = shapes.box.subarray(4 * ring, 4 * ring + 4);
    bounds.extend(latLng(west, south)).extend(latLng(east, north));
  }
  if (rings[0] === rings[1]) {
    PLACES.cluster.forEach((cluster, j) => {
      if (cluster === i) bounds.extend(latLng(PLACES.x[j], PLACES.y[j]));
    });
  }
  map.fitBounds(bounds, { padding: [30, 30], maxZoom: map.firstZoom + 6, animate: !isCalm });
}

const table = new Table({ onSelect: (i, showRow) => select(i, { showRow }) });

// --- what the reader should know ---

function notes() {
  const said = [];
  if (PLACES.count < PLACES.inAll) {
    said.push(
      `The map shows a fair sample: ${whole.format(PLACES.count)} of ${whole.format(PLACES.inAll)} places. The figures are of all of them.`,
    );
  }
  if (PLACES.id?.length && DATA.places.id.longest) {
    said.push(`Ids of more than ${DATA.places.id.longest} characters are shortened.`);
  }
  if (DATA.places.id && !DATA.places.id.texts) {
    said.push("Ids of places are left out, to keep this file small; their rows are given.");
  }
  if (DATA.clusters.nearestId && !DATA.clusters.nearestId.texts) {
    said.push("The nearest places are named by their rows alone.");
  } else if (DATA.clusters.nearestId?.longest && !DATA.places.id?.longest) {
    said.push("Long ids of the nearest places are shortened.");
  }
  const names = { land: "land", borders: "countries' borders", own: "your borders", areas: "service areas", hulls: "hulls" };
  const missing = DATA.shapes.leftOut.map((name) => names[name]);
  if (missing.length) said.push(`Left out, to keep this file small: ${missing.join(", ")}.`);
  said.push("Distances are great circles on the mean sphere, within 0.6\u00a0% of the earth's.");
  return said;
}

const notesBox = document.getElementById("notes");
notesBox.append(...notes().map((text) => element("p", {}, text)));
notesBox.append(
  element(
    "p",
    {},
    `${DATA.attribution} (public domain). Leaflet 1.9.4, © 2010–2023 Volodymyr Agafonkin, © 2010–2011 CloudMade, BSD 2-Clause; its licence stands in this file's source.`,
  ),
);

/** For tests and the curious. */
window.geoclusters = Object.freeze({
  map,
  forward: PROJECTION.forward,
  inverse: PROJECTION.inverse,
  places: PLACES,
  clusters: CLUSTERS,
  shapes: SHAPES,
  containerPoint: (x, y) => map.latLngToContainerPoint(latLng(x, y)),
  distance: (one, other) => greatCircle(one, other, DATA.projection.radius),
});
