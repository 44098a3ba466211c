// --- centroids as elements, so that the keyboard reaches them -----------------
// The largest clusters in sight get an element each; the rest are drawn on the board
// and get theirs when the map is closer. Numbers that would overlap are left out. Of many
// clusters only those have an element that have room for a number.

const MOST_MARKERS = 300;
const FEW = 150;
const HALF = 11;

class Markers {
  constructor(map, board, { onSelect, onHover }) {
    this._map = map;
    this._board = board;
    this._onSelect = onSelect;
    this._onHover = onHover;
    this._shown = new Map();
    this.chosen = -1;
    board.onView = () => this.refresh();
  }

  refresh() {
    const wanted = this._wanted();
    for (const [i, marker] of this._shown) {
      if (wanted.has(i)) continue;
      marker.remove();
      this._shown.delete(i);
    }
    // In the order of their numbers, which is the order of Tab.
    let behind = null;
    for (const i of [...wanted.keys()].sort((a, b) => b - a)) {
      const isNew = !this._shown.has(i);
      if (isNew) this._shown.set(i, this._add(i));
      const icon = this._shown.get(i).getElement();
      if (isNew && behind) behind.before(icon);
      behind = icon;
      icon.classList.toggle("small", !wanted.get(i));
      icon.classList.toggle("chosen", i === this.chosen);
    }
    this._board.marked = new Set(wanted.keys());
  }

  choose(i) {
    this.chosen = i;
    this.refresh();
  }

  /** Return the clusters that get an element, and whether there is room for a number. */
  _wanted() {
    const size = this._map.getSize();
    const wanted = new Map();
    const taken = new Set();
    const take = (i, always) => {
      const at = this._map.latLngToContainerPoint(latLng(CLUSTERS.x[i], CLUSTERS.y[i]));
      const isNear =
        at.x > -40 && at.y > -40 && at.x < size.x + 40 && at.y < size.y + 40;
      if (!isNear && !always) return;
      const cells = cellsOf(at.x - HALF, at.y - HALF, at.x + HALF + 8 * String(i + 1).length, at.y + HALF);
      const hasRoom = always || !cells.some((cell) => taken.has(cell));
      if (!hasRoom && CLUSTERS.count > FEW) return;
      if (hasRoom) cells.forEach((cell) => taken.add(cell));
      wanted.set(i, hasRoom);
    };
    const focused = this._focused();
    if (this.chosen >= 0) take(this.chosen, true);
    if (focused >= 0 && !wanted.has(focused)) take(focused, true);
    for (let i = 0; i < CLUSTERS.count && wanted.size < MOST_MARKERS; i++) {
      if (!wanted.has(i)) take(i, false);
    }
    return wanted;
  }

  _focused() {
    for (const [i, marker] of this._shown) {
      if (marker.getElement() === document.activeElement) return i;
    }
    return -1;
  }

  _add(i) {
    const number = element("span", { class: "number", "aria-hidden": "true" }, String(i + 1));
    const icon = L.divIcon({
      className: "centroid",
      html: number,
      iconSize: [2 * HALF, 2 * HALF],
    });
    const marker = L.marker(latLng(CLUSTERS.x[i], CLUSTERS.y[i]), {
      icon,
      zIndexOffset: 100_000 - 2 * i,
      riseOnHover: true,
      riseOffset: 300_000,
    }).addTo(this._map);
    const made = marker.getElement();
    made.dataset.cluster = String(i + 1);
    made.setAttribute("aria-label", spoken(i));
    made.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      this._onSelect(i);
    });
    made.addEventListener("focus", () => {
      this._map.panInside(latLng(CLUSTERS.x[i], CLUSTERS.y[i]), { padding: [30, 30] });
    });
    marker.on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      this._onSelect(i);
    });
    marker.on("mouseover", () => this._onHover(i));
    marker.on("mouseout", () => this._onHover(-1));
    return marker;
  }
}

function cellsOf(left, top, right, bottom) {
  const cells = [];
  for (let x = Math.floor(left / 8); x <= Math.floor(right / 8); x++) {
    for (let y = Math.floor(top / 8); y <= Math.floor(bottom / 8); y++) {
      cells.push(x * 65_536 + y);
    }
  }
  return cells;
}

/** What a screen reader says of a cluster. */
function spoken(i) {
  const parts = [`Cluster ${i + 1}`, `${placesText(CLUSTERS.size[i])}, ${shareText(CLUSTERS.share[i])}`];
  if (CLUSTERS.area(i)) parts.push(`in ${CLUSTERS.area(i)}`);
  if (CLUSTERS.meanDistance) {
    parts.push(`mean distance ${distanceText(CLUSTERS.meanDistance[i])}`);
  }
  if (CLUSTERS.maxDistance) {
    parts.push(`farthest ${distanceText(CLUSTERS.maxDistance[i])}`);
  }
  return parts.join("; ");
}
