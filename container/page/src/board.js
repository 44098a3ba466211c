// --- the picture: land, areas and places on one canvas ------------------------
// Leaflet moves and zooms the canvas; when it rests, all is drawn anew. For Leaflet the
// map is a plane in metres, its "latitude" y and its "longitude" x: so that neither the
// antimeridian nor a pole is anything special to it.

const latLng = (x, y) => L.latLng(y, x);

/** The scale: at zoom 0 the first view is about this wide. */
const METRES_AT_0 =
  Math.max(DATA.view[2] - DATA.view[0], DATA.view[3] - DATA.view[1]) / 1000;

const PLANE = L.extend({}, L.CRS, {
  projection: {
    project: ({ lat, lng }) => L.point(lng, lat),
    unproject: ({ x, y }) => latLng(x, y),
  },
  transformation: L.transformation(1 / METRES_AT_0, 0, -1 / METRES_AT_0, 0),
  scale: (zoom) => 2 ** zoom,
  zoom: (scale) => Math.log2(scale),
  infinite: true,
  /** Metres on the ground, not on the plane; not a number off the globe. */
  distance(one, other) {
    const [a, b] = [one, other].map(({ lat, lng }) => PROJECTION.inverse(lng, lat));
    return a && b ? greatCircle(a, b, DATA.projection.radius) : NaN;
  },
});

const STEPS_DEG = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45,
];
const CELL = 16;

const Board = L.Renderer.extend({
  options: { padding: 0.25, pane: "overlayPane" },

  initialize() {
    L.Renderer.prototype.initialize.call(this);
    /** Which themes are drawn. */
    this.shown = new Set();
    /** The cluster that stands out, or -1. */
    this.chosen = -1;
    /** Clusters whose markers are elements; the others' are drawn here. */
    this.marked = new Set();
    /** Called before all is drawn: chooses which are marked. */
    this.onView = () => {};
  },

  _initContainer() {
    this._container = L.DomUtil.create("canvas", "board");
    this._container.setAttribute("aria-hidden", "true");
    this._pen = this._container.getContext("2d");
    this.refreshColours();
  },

  _destroyContainer() {
    this._container.remove();
    this._container = null;
  },

  /** Leaflet calls this when the map rests. */
  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    L.DomUtil.setPosition(this._container, this._bounds.min);
    this.onView();
    this.redraw();
  },

  refreshColours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this._colours = Object.fromEntries(
      ["sea", "land", "coast", "border", "own", "grid", "ink", "faint", "paper"].map(
        (name) => [name, colour(name)],
      ),
    );
  },

  show(theme, isShown) {
    if (isShown) this.shown.add(theme);
    else this.shown.delete(theme);
    this.redraw();
  },

  redraw() {
    if (!this._map || !this._bounds) return;
    const size = this._bounds.getSize();
    const density = Math.min(window.devicePixelRatio || 1, 3);
    const canvas = this._container;
    canvas.width = Math.round(size.x * density);
    canvas.height = Math.round(size.y * density);
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
    this._density = density;
    this._size = size;
    // From metres to pixels of the canvas.
    const origin = this._map.latLngToLayerPoint(latLng(0, 0)).subtract(this._bounds.min);
    this._scale = 2 ** this._zoom / METRES_AT_0;
    this._origin = origin;
    const pen = this._pen;
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, size.x, size.y);
    pen.lineJoin = "round";
    this._drawGround(pen);
    if (this.shown.has("grid")) this._drawGrid(pen);
    if (this.shown.has("own")) this._drawOwn(pen);
    if (this.shown.has("places")) this._drawPlaces(pen);
    else this._index = null;
    this._drawCentroids(pen);
    if (this.shown.has("own")) this._drawNames(pen);
    if (this.shown.has("grid")) this._drawDegrees(pen);
  },

  toCanvas(x, y) {
    return [this._origin.x + x * this._scale, this._origin.y - y * this._scale];
  },

  /** Add rings or lines to the path, but not what can't be seen of them. */
  _trace(pen, shapes, from, to, closed) {
    const [scale, ox, oy] = [this._scale, this._origin.x, this._origin.y];
    const west = -ox / scale;
    const north = oy / scale;
    const east = west + this._size.x / scale;
    const south = north - this._size.y / scale;
    const { xy, ringStart, firstRing, box } = shapes;
    for (let ring = firstRing[from]; ring < firstRing[to]; ring++) {
      const b = 4 * ring;
      if (box[b] > east || box[b + 2] < west) continue;
      if (box[b + 1] > north || box[b + 3] < south) continue;
      if (Math.max(box[b + 2] - box[b], box[b + 3] - box[b + 1]) * scale < 0.5) continue;
      const start = ringStart[ring];
      let x = ox + xy[start] * scale;
      let y = oy - xy[start + 1] * scale;
      pen.moveTo(x, y);
      const last = ringStart[ring + 1] - 2;
      for (let i = start + 2; i <= last; i += 2) {
        const nextX = ox + xy[i] * scale;
        const nextY = oy - xy[i + 1] * scale;
        const isNear = Math.abs(nextX - x) < 0.6 && Math.abs(nextY - y) < 0.6;
        if (isNear && i < last) continue;
        pen.lineTo((x = nextX), (y = nextY));
      }
      if (closed) pen.closePath();
    }
  },

  _traceAll(pen, shapes, closed) {
    pen.beginPath();
    this._trace(pen, shapes, 0, shapes.count, closed);
  },

  /** The edge of what the page knows: the region, the disc or the globe. */
  _traceEdge(pen) {
    const [west, south, east, north] = DATA.region;
    const [left, top] = this.toCanvas(west, north);
    const [right, bottom] = this.toCanvas(east, south);
    pen.beginPath();
    if (DATA.projection.name === "eqearth") {
      const centre = DATA.projection.longitude;
      const point = (lat, side) =>
        this.toCanvas(...PROJECTION.forward(lat, centre + side * (180 - 1e-7)));
      for (let lat = -90; lat <= 90; lat += 1) pen.lineTo(...point(lat, 1));
      for (let lat = 90; lat >= -90; lat -= 1) pen.lineTo(...point(lat, -1));
      pen.closePath();
      return;
    }
    pen.rect(left, top, right - left, bottom - top);
  },

  _drawGround(pen) {
    const colours = this._colours;
    pen.save();
    this._traceEdge(pen);
    pen.fillStyle = colours.sea;
    pen.fill();
    pen.clip();
    if (SHAPES.land) {
      this._traceAll(pen, SHAPES.land, true);
      pen.fillStyle = colours.land;
      pen.fill("evenodd");
    }
    for (const name of ["areas", "hulls"]) {
      if (SHAPES[name] && this.shown.has(name)) this._drawClusters(pen, SHAPES[name]);
    }
    if (SHAPES.land) {
      this._traceAll(pen, SHAPES.land, true);
      pen.strokeStyle = colours.coast;
      pen.lineWidth = 0.9;
      pen.stroke();
    }
    if (SHAPES.borders) {
      this._traceAll(pen, SHAPES.borders, false);
      pen.strokeStyle = colours.border;
      pen.lineWidth = 0.9;
      pen.setLineDash([4, 3]);
      pen.stroke();
    }
    pen.restore();
  },

  /** A path for each colour, and one for the chosen cluster: few are much quicker. */
  _drawClusters(pen, shapes) {
    const ofColour = DATA.palette.map(() => []);
    for (let i = 0; i < shapes.count; i++) {
      if (i !== this.chosen) ofColour[CLUSTERS.colour[i]].push(i);
    }
    const draw = (clusters, colour, opacity, edge, width) => {
      pen.beginPath();
      for (const i of clusters) this._trace(pen, shapes, i, i + 1, true);
      pen.fillStyle = pen.strokeStyle = colour;
      pen.globalAlpha = opacity;
      pen.fill();
      pen.globalAlpha = edge;
      pen.lineWidth = width;
      pen.stroke();
    };
    const isChosen = this.chosen >= 0;
    const width = shapes.count > 3000 ? 0.6 : 1;
    ofColour.forEach((clusters, colour) =>
      draw(clusters, DATA.palette[colour], isChosen ? 0.08 : 0.15, 0.6, width),
    );
    if (isChosen) {
      draw([this.chosen], DATA.palette[CLUSTERS.colour[this.chosen]], 0.34, 1, 2.5);
    }
    pen.globalAlpha = 1;
  },

  _drawOwn(pen) {
    this._traceAll(pen, SHAPES.own, true);
    pen.strokeStyle = this._colours.paper;
    pen.globalAlpha = 0.6;
    pen.lineWidth = 3.2;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.strokeStyle = this._colours.own;
    pen.lineWidth = 1.3;
    pen.stroke();
  },

  /** Names of the user's areas, where they have room. */
  _drawNames(pen) {
    if (!OWN_LABELS) return;
    pen.font = "600 11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const taken = [];
    OWN_LABELS.text.forEach((text, i) => {
      const [x, y] = this.toCanvas(OWN_LABELS.x[i], OWN_LABELS.y[i]);
      if (x < 0 || y < 0 || x > this._size.x || y > this._size.y) return;
      const half = pen.measureText(text).width / 2 + 4;
      if (2 * half > 1.15 * OWN_LABELS.width[i] * this._scale) return;
      const box = [x - half, y - 9, x + half, y + 9];
      const meets = (b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3];
      if (taken.some(meets)) return;
      taken.push(box);
      this._write(pen, text, x, y, this._colours.own);
    });
  },

  _write(pen, text, x, y, colour) {
    pen.lineWidth = 3;
    pen.strokeStyle = this._colours.paper;
    pen.globalAlpha = 0.8;
    pen.strokeText(text, x, y);
    pen.globalAlpha = 1;
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  },

  /** How many times twice as close as at first. */
  _closer() {
    return Math.max(this._zoom - this._map.firstZoom, 0);
  },

  _radius() {
    const n = PLACES.count;
    const first = n <= 300 ? 4.2 : n <= 1500 ? 3 : n <= 6000 ? 2.2 : 1.6;
    return Math.min(first + 0.45 * this._closer(), 5);
  },

  /** A place's dot, drawn once a colour: 50,000 copies of it are quick. */
  _dot(colour, radius) {
    const half = Math.ceil((radius + 1) * this._density);
    const dot = document.createElement("canvas");
    dot.width = dot.height = 2 * half;
    const pen = dot.getContext("2d");
    pen.arc(half, half, radius * this._density, 0, 7);
    pen.fillStyle = colour;
    pen.fill();
    if (radius >= 2.5) {
      pen.strokeStyle = this._colours.paper;
      pen.lineWidth = 0.8 * this._density;
      pen.stroke();
    }
    return dot;
  },

  _drawPlaces(pen) {
    const radius = this._radius();
    const dots = DATA.palette.map((colour) => this._dot(colour, radius));
    const half = dots[0].width / 2;
    const [scale, ox, oy] = [this._scale, this._origin.x, this._origin.y];
    const { x: width, y: height } = this._size;
    const { x, y, cluster, count } = PLACES;
    const seen = new Int32Array(count);
    const px = new Float32Array(count);
    const py = new Float32Array(count);
    let n = 0;
    const density = this._density;
    const chosen = this.chosen;
    pen.setTransform(1, 0, 0, 1, 0, 0); // whole pixels: no dot is blurred
    const draw = (i) => {
      const cx = ox + x[i] * scale;
      const cy = oy - y[i] * scale;
      if (!(cx >= 0 && cy >= 0 && cx <= width && cy <= height)) return;
      seen[n] = i;
      px[n] = cx;
      py[n++] = cy;
      pen.drawImage(
        dots[CLUSTERS.colour[cluster[i]]],
        Math.round(cx * density) - half,
        Math.round(cy * density) - half,
      );
    };
    pen.globalAlpha = chosen < 0 ? 0.85 : 0.25;
    for (let i = 0; i < count; i++) if (cluster[i] !== chosen) draw(i);
    pen.globalAlpha = 1;
    if (chosen >= 0) for (let i = 0; i < count; i++) if (cluster[i] === chosen) draw(i);
    pen.setTransform(density, 0, 0, density, 0, 0);
    this._index = gridIndex(seen, px, py, n, width, height);
  },

  /** Centroids that have no element: small triangles. */
  _drawCentroids(pen) {
    const k = CLUSTERS.count;
    const first = k <= 150 ? 4.5 : k <= 1500 ? 3.2 : 2.2;
    const half = Math.min(first + 0.5 * this._closer(), 5.5);
    this._half = half;
    pen.beginPath();
    for (let i = 0; i < CLUSTERS.count; i++) {
      if (this.marked.has(i)) continue;
      const [x, y] = this.toCanvas(CLUSTERS.x[i], CLUSTERS.y[i]);
      if (x < -9 || y < -9 || x > this._size.x + 9 || y > this._size.y + 9) continue;
      pen.moveTo(x, y - 1.1 * half);
      pen.lineTo(x + half, y + 0.8 * half);
      pen.lineTo(x - half, y + 0.8 * half);
      pen.closePath();
    }
    pen.lineWidth = Math.min(half / 3, 1.6);
    pen.strokeStyle = this._colours.paper;
    pen.stroke();
    pen.fillStyle = this._colours.ink;
    pen.fill();
  },

  /** Return the place nearest to a point of the container, or -1. */
  placeAt(containerPoint, within) {
    if (!this._index) return -1;
    const { x, y } = this._map
      .containerPointToLayerPoint(containerPoint)
      .subtract(this._bounds.min);
    return this._index(x, y, within);
  },

  /** Return the drawn centroid at a point of the container, or -1. */
  centroidAt(containerPoint, aside) {
    const at = this._map
      .containerPointToLayerPoint(containerPoint)
      .subtract(this._bounds.min);
    let [nearest, least] = [-1, this._half + aside];
    for (let i = 0; i < CLUSTERS.count; i++) {
      if (this.marked.has(i)) continue;
      const [x, y] = this.toCanvas(CLUSTERS.x[i], CLUSTERS.y[i]);
      const distance = Math.hypot(x - at.x, y - at.y);
      if (distance < least) [nearest, least] = [i, distance];
    }
    return nearest;
  },

  // --- the graticule ---

  _drawGrid(pen) {
    this._lines = this._graticule();
    pen.save();
    this._traceEdge(pen);
    pen.clip();
    pen.beginPath();
    for (const { points } of this._lines) {
      points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    }
    pen.strokeStyle = this._colours.grid;
    pen.lineWidth = 0.6;
    pen.stroke();
    pen.restore();
  },

  /** Return the meridians and parallels in sight, about 130 pixels apart. */
  _graticule() {
    const range = this._degreesInSight();
    if (!range) return [];
    const { south, north, west, east, middle } = range;
    const wanted = (130 / this._scale / DATA.projection.radius) / RADIANS;
    const up = STEPS_DEG.find((step) => step >= wanted) ?? 45;
    const shrink = Math.max(Math.cos(middle * RADIANS), 0.05);
    const across = STEPS_DEG.find((step) => step >= wanted / shrink) ?? 45;
    const centre = DATA.projection.longitude;
    const lines = [];
    const line = (isMeridian, degrees, at, from, to) => {
      const points = [];
      for (let i = 0; i <= 48; i++) {
        points.push(this.toCanvas(...PROJECTION.forward(...at(from + ((to - from) * i) / 48))));
      }
      lines.push({ isMeridian, degrees, points });
    };
    // A meridian doesn't reach the pole, where all would run into one another.
    const top = Math.min(north, 90 - up);
    const bottom = Math.max(south, -90 + up);
    const first = Math.ceil((centre + west) / across);
    for (let n = first; n * across <= centre + east && n < first + 90; n++) {
      line(true, wrapped(n * across), (lat) => [lat, n * across], bottom, top);
    }
    for (let n = Math.ceil(south / up); n * up <= north && n < 1000; n++) {
      if (Math.abs(n * up) === 90) continue;
      line(false, n * up, (lon) => [n * up, centre + lon], west, east);
    }
    return lines;
  },

  /** Return the latitudes in sight, and the longitudes about the projection's centre. */
  _degreesInSight() {
    const found = [];
    for (let i = 0; i <= 24; i++) {
      for (let j = 0; j <= 24; j++) {
        const x = ((this._size.x * i) / 24 - this._origin.x) / this._scale;
        const y = (this._origin.y - (this._size.y * j) / 24) / this._scale;
        const place = PROJECTION.inverse(x, y);
        if (place) found.push(place);
      }
    }
    if (!found.length) return null;
    const margin = 1e-9;
    const lat = found.map(([latitude]) => latitude);
    const lon = found.map(([, longitude]) => wrapped(longitude - DATA.projection.longitude));
    let [south, north] = [Math.min(...lat), Math.max(...lat)];
    let [west, east] = [Math.min(...lon), Math.max(...lon)];
    for (const pole of [-90, 90]) {
      const [x, y] = this.toCanvas(...PROJECTION.forward(pole, 0));
      if (x < 0 || y < 0 || x > this._size.x || y > this._size.y) continue;
      if (pole < 0) south = -90;
      else north = 90;
      [west, east] = [-180, 180];
    }
    if (east - west > 340) [west, east] = [-180 + margin, 180 - margin];
    return { south, north, west, east, middle: lat[Math.floor(lat.length / 2)] };
  },

  /** Degrees where lines leave the map above and at the left, beside the controls. */
  _drawDegrees(pen) {
    const size = this._map.getSize();
    const left = this._map.containerPointToLayerPoint([0, 0]).subtract(this._bounds.min);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const { isMeridian, degrees, points } of this._lines) {
      const [axis, other] = isMeridian ? [1, 0] : [0, 1];
      const edge = isMeridian ? left.y : left.x;
      for (let i = 1; i < points.length; i++) {
        const [a, b] = [points[i - 1], points[i]];
        if (a[axis] > edge === b[axis] > edge) continue;
        const t = (edge - a[axis]) / (b[axis] - a[axis]);
        const at = a[other] + t * (b[other] - a[other]);
        const inside = at - (isMeridian ? left.x : left.y);
        const free = isMeridian
          ? inside > 70 && inside < size.x - 190
          : inside > 100 && inside < size.y - 60;
        if (!free) continue;
        pen.textAlign = isMeridian ? "center" : "left";
        const [x, y] = isMeridian ? [at, edge + 11] : [edge + 6, at];
        this._write(pen, gridText(degrees, isMeridian ? "EW" : "NS"), x, y, this._colours.faint);
      }
    }
  },
});

function gridText(degrees, [positive, negative]) {
  const rounded = Number(degrees.toFixed(3));
  const side = rounded % 180 === 0 ? "" : rounded > 0 ? positive : negative;
  return `${Math.abs(rounded)}°${side}`;
}

/** Put points into cells; return a function that finds the one nearest to x, y. */
function gridIndex(names, px, py, n, width, height) {
  const columns = Math.floor(width / CELL) + 1;
  const rows = Math.floor(height / CELL) + 1;
  const cellOf = (i) => Math.floor(py[i] / CELL) * columns + Math.floor(px[i] / CELL);
  const start = new Int32Array(columns * rows + 1);
  for (let i = 0; i < n; i++) start[cellOf(i) + 1]++;
  for (let cell = 0; cell < columns * rows; cell++) start[cell + 1] += start[cell];
  const next = start.slice();
  const sorted = new Int32Array(n);
  for (let i = 0; i < n; i++) sorted[next[cellOf(i)]++] = i;
  const within = (value, most) => Math.min(Math.max(Math.floor(value / CELL), 0), most - 1);
  return (x, y, reach) => {
    let [nearest, least] = [-1, reach * reach];
    for (let row = within(y - reach, rows); row <= within(y + reach, rows); row++) {
      const first = start[row * columns + within(x - reach, columns)];
      const last = start[row * columns + within(x + reach, columns) + 1];
      for (let j = first; j < last; j++) {
        const i = sorted[j];
        const square = (px[i] - x) ** 2 + (py[i] - y) ** 2;
        if (square <= least) [nearest, least] = [names[i], square];
      }
    }
    return nearest;
  };
}

/** A theme that the layers control switches on and off. */
const Theme = L.Layer.extend({
  initialize(board, name) {
    this._board = board;
    this._name = name;
  },
  onAdd() {
    this._board.show(this._name, true);
  },
  onRemove() {
    this._board.show(this._name, false);
  },
});

/** The scale at the middle of the map, where Leaflet's own takes the left edge. */
const Scale = L.Control.Scale.extend({
  options: { imperial: false, maxWidth: 120 },
  _update() {
    const half = this.options.maxWidth / 2;
    const middle = this._map.getSize().divideBy(2);
    const [left, right] = [-half, half].map((aside) =>
      this._map.containerPointToLatLng(middle.add([aside, 0])),
    );
    const metres = this._map.distance(left, right);
    this._mScale.hidden = !(metres > 0);
    if (metres > 0) this._updateScales(metres);
  },
  _updateMetric(most) {
    const power = 10 ** Math.floor(Math.log10(most));
    const metres = power * [5, 2, 1].find((n) => n * power <= most);
    const text = metres < 1000 ? `${metres} m` : `${whole.format(metres / 1000)} km`;
    this._updateScale(this._mScale, text, metres / most);
  },
});
