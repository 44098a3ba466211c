// --- what the report put into the page ----------------------------------------

const DATA = JSON.parse(document.getElementById("data").textContent);
const PROJECTION = makeProjection(DATA.projection);
const ARRAYS = {
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
};

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function numbersOf(packed) {
  return new ARRAYS[packed.type](bytesOf(packed.data).buffer);
}

/** Degrees of whole numbers of 10⁻⁷°; the least of all means that there are none. */
function degreesOf(packed) {
  return Float64Array.from(numbersOf(packed), (n) => (n === -(2 ** 31) ? NaN : n / 1e7));
}

/** Add x and y in metres to what has latitudes and longitudes. */
function projected(of) {
  const count = of.latitude.length;
  of.x = new Float64Array(count);
  of.y = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    [of.x[i], of.y[i]] = PROJECTION.forward(of.latitude[i], of.longitude[i]);
  }
  return of;
}

/**
 * Unpack shapes: the points of all rings in metres (xy), where in it each ring starts,
 * which ring is a shape's first, and the box of each ring.
 */
function shapesOf(packed) {
  if (!packed) return null;
  const bytes = bytesOf(packed.data);
  let at = 0;
  const next = () => {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) break;
      factor *= 128;
    }
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
  const xy = [];
  const ringStart = [0];
  const firstRing = [0];
  const box = [];
  let [x, y] = [0, 0];
  while (at < bytes.length) {
    for (let rings = next(); rings > 0; rings--) {
      let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
      for (let points = next(); points > 0; points--) {
        x += next();
        y += next();
        xy.push(x * packed.step, y * packed.step);
        west = Math.min(west, x);
        east = Math.max(east, x);
        south = Math.min(south, y);
        north = Math.max(north, y);
      }
      ringStart.push(xy.length);
      box.push(...[west, south, east, north].map((side) => side * packed.step));
    }
    firstRing.push(ringStart.length - 1);
  }
  return {
    xy: Float64Array.from(xy),
    ringStart: Int32Array.from(ringStart),
    firstRing: Int32Array.from(firstRing),
    box: Float64Array.from(box),
    count: firstRing.length - 1,
  };
}

const column = (packed, read = numbersOf) => (packed ? read(packed) : null);

const CLUSTERS = (() => {
  const given = DATA.clusters;
  const area = given.area && numbersOf(given.area.number);
  return projected({
    count: given.count,
    latitude: degreesOf(given.latitude),
    longitude: degreesOf(given.longitude),
    colour: numbersOf(given.colour),
    size: numbersOf(given.size),
    share: numbersOf(given.share),
    meanDistance: column(given.meanDistance),
    medianDistance: column(given.medianDistance),
    p95Distance: column(given.p95Distance),
    maxDistance: column(given.maxDistance),
    nearestRow: column(given.nearestRow),
    nearestId: given.nearestId?.texts ?? null,
    nearestLatitude: column(given.nearestLatitude, degreesOf),
    nearestLongitude: column(given.nearestLongitude, degreesOf),
    nearestDistance: column(given.nearestDistance),
    hasAreas: Boolean(area),
    area: (i) => (area && area[i] ? given.area.names[area[i] - 1] : ""),
  });
})();

const PLACES = (() => {
  const given = DATA.places;
  return projected({
    count: given.count,
    inAll: given.inAll,
    row: numbersOf(given.row),
    latitude: degreesOf(given.latitude),
    longitude: degreesOf(given.longitude),
    cluster: numbersOf(given.cluster),
    distance: numbersOf(given.distance),
    id: given.id?.texts ?? null,
  });
})();

const SHAPES = Object.fromEntries(
  ["land", "borders", "own", "areas", "hulls"].map((name) => [
    name,
    shapesOf(DATA.shapes[name]),
  ]),
);

const OWN_LABELS = DATA.ownLabels && {
  text: DATA.ownLabels.text,
  x: numbersOf(DATA.ownLabels.x),
  y: numbersOf(DATA.ownLabels.y),
  width: numbersOf(DATA.ownLabels.width),
};

/** The place nearest to a centroid, as people call it: its id, or its row. */
function nearestText(i) {
  if (!CLUSTERS.nearestRow || CLUSTERS.nearestRow[i] === 0) return NOTHING;
  return CLUSTERS.nearestId?.[i] || `row ${CLUSTERS.nearestRow[i]}`;
}
