// Does a map.html work, and does it show the figures that it should?
//
//     node tests/browser/check.mjs map.html expected.json
//
// expected.json: {title, places_shown, places_in_all, clusters: [rows of centroids.csv
// as objects], projected: [[latitude, longitude, x, y], …] (optional)}; `expected.py`
// makes it of a centroids.csv.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { DESKTOP, launch, open, PHONE } from "./browser.mjs";

/** The table's headers, and which column of centroids.csv each shows. */
const HEADERS = {
  Area: "area",
  Places: "size",
  Share: "share",
  Mean: "mean_distance_m",
  Median: "median_distance_m",
  "95 %": "p95_distance_m",
  Farthest: "max_distance_m",
  "Its distance": "nearest_distance_m",
  Latitude: "latitude",
  Longitude: "longitude",
};
/** The popup's figures, likewise. */
const FIGURES = {
  "Mean distance": "mean_distance_m",
  Median: "median_distance_m",
  "95 % within": "p95_distance_m",
  Farthest: "max_distance_m",
};
const NOTHING = "–";

/** Is a figure, such as 1.23 km, the number, rounded as it is? */
export function assertFigure(text, value, what) {
  if (value === null || value === undefined || value === "") {
    assert.equal(text, NOTHING, what);
    return;
  }
  const [, below, number, unit] =
    text.match(/^(< )?([\d,]+(?:\.\d+)?)\s?(m|km|%)?$/) ?? assert.fail(`${what}: ${text}`);
  const factor = { m: 1, km: 1000, "%": 0.01 }[unit] ?? 1;
  const shown = Number(number.replaceAll(",", ""));
  if (below) {
    assert.ok(value < shown * factor, `${what}: ${text} for ${value}`);
    return;
  }
  const decimals = number.split(".")[1]?.length ?? 0;
  const rounding = 0.5 * 10 ** -decimals * factor + 1e-6 * Math.abs(value);
  assert.ok(
    Math.abs(shown * factor - value) <= rounding,
    `${what}: ${text} for ${value}`,
  );
}

function assertText(text, value, what) {
  const wanted = value || NOTHING;
  const isShort = text.endsWith("…") && wanted.startsWith(text.slice(0, -1));
  assert.ok(text === wanted || isShort, `${what}: ${text} for ${wanted}`);
}

/** Open a page on a screen, go through it, and fail where it isn't as expected. */
export async function check(browser, file, expected, screen = DESKTOP) {
  const { page, problems, close } = await open(browser, file, screen);
  try {
    await checkWords(page, expected);
    await checkTable(page, expected);
    await checkSorting(page, expected);
    await checkProjection(page, expected);
    await checkCentroid(page, expected, screen);
    await checkKeyboard(page);
    if (!screen.hasTouch) await checkPlace(page, expected);
    const { wide, inner } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      inner: window.innerWidth,
    }));
    assert.ok(wide <= inner, `the page is ${wide} px wide on a screen of ${inner} px`);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
}

async function checkWords(page, expected) {
  assert.equal(await page.textContent("h1"), expected.title);
  const counted = await page.evaluate(() => [
    window.geoclusters.places.count,
    window.geoclusters.places.inAll,
    window.geoclusters.clusters.count,
  ]);
  assert.deepEqual(counted, [
    expected.places_shown,
    expected.places_in_all,
    expected.clusters.length,
  ]);
  const isSample = expected.places_shown < expected.places_in_all;
  const [shown, all] = [expected.places_shown, expected.places_in_all].map((n) =>
    n.toLocaleString("en"),
  );
  const notes = await page.textContent("#notes");
  assert.equal(notes.includes(`${shown} of ${all} places`), isSample, notes);
}

/** Every row of the first page shows its cluster's figures. */
async function checkTable(page, expected) {
  const [headers, rows] = await page.evaluate(() => [
    [...document.querySelectorAll("#columns th")].map((cell) => cell.textContent),
    [...document.querySelectorAll("#rows tr")].map((row) =>
      [...row.cells].map((cell) => cell.textContent),
    ),
  ]);
  assert.equal(rows.length, Math.min(expected.clusters.length, 100));
  rows.forEach((cells, i) => {
    const cluster = expected.clusters[i];
    cells.forEach((text, j) => {
      const what = `cluster ${i + 1}, ${headers[j]}`;
      const name = HEADERS[headers[j]];
      if (headers[j] === "Cluster") {
        assert.equal(text, Number(cluster.cluster).toLocaleString("en"), what);
      } else if (headers[j] === "Nearest place") {
        assertNearest(text, cluster, what);
      } else if (name === "area") {
        assertText(text, cluster.area, what);
      } else if (name === "latitude" || name === "longitude") {
        assert.equal(text, Number(cluster[name]).toFixed(7), what);
      } else {
        assert.ok(name, `no figures for the column ${headers[j]}`);
        assertFigure(text, cluster[name], what);
      }
    });
  });
}

function assertNearest(text, cluster, what) {
  const { nearest_row: row, nearest_id: id } = cluster;
  if (row === null || row === undefined || row === "") {
    assert.equal(text, NOTHING, what);
  } else if (text !== `row ${row}`) {
    assertText(text, id, what);
  }
}

async function checkSorting(page, expected) {
  const header = page.getByRole("button", { name: "Places", exact: true });
  const sizes = expected.clusters.map(({ size }) => Number(size)).sort((a, b) => a - b);
  const first = () =>
    page.evaluate(() =>
      Number(document.querySelector("#rows td:not(.text)").textContent.replaceAll(",", "")),
    );
  const sorting = () => page.getAttribute("th:has(button:text-is('Places'))", "aria-sort");
  await header.click();
  assert.equal(await sorting(), "ascending");
  assert.equal(await first(), sizes[0]);
  await header.click();
  assert.equal(await sorting(), "descending");
  assert.equal(await first(), sizes.at(-1));
  await page.getByRole("button", { name: "Cluster", exact: true }).click();
}

/** The script's projection is PROJ's, to a millimetre, and its inverse leads back. */
async function checkProjection(page, { projected }) {
  if (!projected) return;
  const found = await page.evaluate(
    (places) =>
      places.map(([latitude, longitude]) => {
        const [x, y] = window.geoclusters.forward(latitude, longitude);
        return [x, y, ...window.geoclusters.inverse(x, y)];
      }),
    projected,
  );
  projected.forEach(([latitude, longitude, x, y], i) => {
    const what = `${latitude}, ${longitude}`;
    assert.ok(Math.hypot(found[i][0] - x, found[i][1] - y) < 1e-3, what);
    assert.ok(Math.abs(found[i][2] - latitude) < 1e-8, what);
    const turn = ((found[i][3] - longitude + 540) % 360) - 180;
    assert.ok(Math.abs(turn) * Math.cos((latitude * Math.PI) / 180) < 1e-8, what);
  });
}

/** Click (or tap) a centroid: its figures open, its row is marked and in sight. */
async function checkCentroid(page, expected, screen) {
  await page.evaluate(() => window.scrollTo(0, 0));
  await settle(page);
  const number = await page.evaluate(() => {
    const isOnTop = (icon) => {
      const { x, y, width, height } = icon.getBoundingClientRect();
      const top = document.elementFromPoint(x + width / 2, y + height / 2);
      return icon === top || icon.contains(top);
    };
    return [...document.querySelectorAll(".centroid")].find(isOnTop)?.dataset.cluster;
  });
  assert.ok(number, "no centroid is in sight");
  const cluster = expected.clusters[number - 1];
  const marker = page.locator(`.centroid[data-cluster="${number}"]`);
  const { x, y, width, height } = await marker.boundingBox();
  if (screen.hasTouch) await page.touchscreen.tap(x + width / 2, y + height / 2);
  else await page.mouse.click(x + width / 2, y + height / 2);
  const popup = page.getByRole("dialog", { name: `Cluster ${number}`, exact: true });
  await popup.waitFor();
  const figures = await figuresOf(popup);
  for (const [label, name] of Object.entries(FIGURES)) {
    if (name in cluster) assertFigure(figures[label], cluster[name], label);
  }
  assertFigure(figures.Places.split(" (")[0], cluster.size, "Places");
  const at = [cluster.latitude, cluster.longitude].map((n) => Number(n).toFixed(7));
  assert.equal(figures.Centroid, at.join(", "));
  if ("area" in cluster && cluster.area) assertText(figures.Area, cluster.area, "Area");
  if (cluster.nearest_row) {
    assert.ok(figures["Nearest place"].includes(`row ${cluster.nearest_row}`));
  }
  const row = page.locator(`#rows tr[data-cluster="${number}"]`);
  assert.equal(await row.getAttribute("aria-current"), "true");
  const isInSight = await row.evaluate((element) => {
    const box = document.getElementById("scroll").getBoundingClientRect();
    const { top, bottom } = element.getBoundingClientRect();
    return top >= box.top - 1 && bottom <= box.bottom + 1;
  });
  assert.ok(isInSight, `the row of cluster ${number} isn't in sight`);
  await page.keyboard.press("Escape");
  await popup.waitFor({ state: "detached" });
  assert.equal(await row.getAttribute("aria-current"), null);
}

export const figuresOf = (popup) =>
  popup.evaluate((element) =>
    Object.fromEntries(
      [...element.querySelectorAll("dt")].map((term) => [
        term.textContent,
        term.nextElementSibling.textContent,
      ]),
    ),
  );

/** Tab leads past the map into the table and through it; Enter opens, Escape closes. */
async function checkKeyboard(page) {
  await page.evaluate(() => {
    document.activeElement.blur();
    window.getSelection().removeAllRanges();
    document.body.setAttribute("tabindex", "-1");
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  await page.keyboard.press("Tab");
  assert.equal(await focused(page, "textContent"), "Skip the map");
  await page.keyboard.press("Enter");
  const rows = await page.locator("#rows tr").count();
  const reached = [];
  for (let i = 0; i < 40 + rows && reached.length < Math.min(rows, 4); i++) {
    await page.keyboard.press("Tab");
    const number = await focused(page, "row");
    if (number) reached.push(number);
  }
  const first = await page.evaluate(() =>
    [...document.querySelectorAll("#rows tr")].slice(0, 4).map((row) => row.dataset.cluster),
  );
  assert.deepEqual(reached, first);
  const number = reached.at(-1);
  const outline = await page.evaluate(
    () => getComputedStyle(document.activeElement).outlineStyle,
  );
  assert.equal(outline, "solid", "the focus can't be seen");
  await page.keyboard.press("Enter");
  const popup = page.getByRole("dialog", { name: `Cluster ${number}`, exact: true });
  await popup.waitFor();
  assert.match(await page.textContent("#said"), new RegExp(`^Cluster ${number};`));
  await page.keyboard.press("Escape");
  await popup.waitFor({ state: "detached" });
  assert.equal(await focused(page, "row"), number, "the focus was lost");
}

const focused = (page, what) =>
  page.evaluate(
    (name) =>
      name === "row"
        ? (document.activeElement.closest("#rows tr")?.dataset.cluster ?? null)
        : document.activeElement[name],
    what,
  );

/** Wait until the map rests. */
export const settle = (page) =>
  page.evaluate(async () => {
    const { map } = window.geoclusters;
    const where = () => `${map.containerPointToLatLng([0, 0])} ${map.getZoom()}`;
    for (let before = null; before !== where(); ) {
      before = where();
      await new Promise((done) => setTimeout(done, 200));
      // A busy machine may have drawn nothing in that time.
      for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    }
  });

/** Point at a place that stands apart: its row is told; a click tells more. */
async function checkPlace(page, expected) {
  await settle(page);
  const found = await page.evaluate(() => {
    const { places, clusters, containerPoint, map } = window.geoclusters;
    const centroids = Array.from(clusters.x, (x, i) => containerPoint(x, clusters.y[i]));
    const size = map.getSize();
    const frame = map.getContainer().getBoundingClientRect();
    const points = Array.from(places.row, (_, i) =>
      containerPoint(places.x[i], places.y[i]),
    );
    for (let i = 0; i < Math.min(places.count, 2000); i++) {
      const { x, y } = points[i];
      if (x < 20 || y < 20 || x > size.x - 20 || y > size.y - 20) continue;
      const top = document.elementFromPoint(frame.x + x, frame.y + y);
      if (!map.getContainer().contains(top) || top.closest(".centroid, .leaflet-control")) {
        continue;
      }
      const isApart = points.every(
        (p, j) => j === i || Math.abs(p.x - x) > 3 || Math.abs(p.y - y) > 3,
      );
      const isFree = centroids.every(
        (p) => Math.abs(p.x - x) > 12 || Math.abs(p.y - y) > 12,
      );
      if (isApart && isFree) {
        return {
          x: frame.x + x,
          y: frame.y + y,
          row: places.row[i],
          cluster: places.cluster[i],
          distance: places.distance[i],
          at: [places.latitude[i], places.longitude[i]],
          id: places.id ? places.id[i] : null,
        };
      }
    }
    return null;
  });
  if (!found) return; // so dense that none stands apart
  await page.mouse.move(found.x, found.y);
  const tooltip = page.locator(".leaflet-tooltip");
  await tooltip.waitFor();
  const text = await tooltip.textContent();
  assert.ok(text.includes(`Row ${found.row}`), text);
  if (found.id) assert.ok(text.includes(found.id), text);
  await page.mouse.click(found.x, found.y);
  const popup = page.getByRole("dialog", { name: `Row ${found.row}`, exact: true });
  await popup.waitFor();
  const figures = await figuresOf(popup);
  assert.deepEqual(figures.Place.split(", ").map(Number), found.at);
  assertFigure(figures["To the centroid"], found.distance, "To the centroid");
  const { latitude, longitude } = expected.clusters[found.cluster];
  const distance = await page.evaluate(
    (ends) => window.geoclusters.distance(...ends),
    [found.at, [Number(latitude), Number(longitude)]],
  );
  assert.ok(
    Math.abs(distance - found.distance) <= 0.1 + 1e-6 * distance,
    `${found.distance} m to the centroid, found ${distance} m`,
  );
  await page.keyboard.press("Escape");
  await popup.waitFor({ state: "detached" });
}

async function main([file, expectedFile]) {
  const expected = JSON.parse(readFileSync(expectedFile, "utf8"));
  const browser = await launch();
  try {
    for (const screen of [DESKTOP, PHONE]) {
      await check(browser, resolve(file), expected, screen);
    }
  } finally {
    await browser.close();
  }
  console.log(`${file}: as expected, on a desktop's and a phone's screen`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}
