// --- the map's projection -----------------------------------------------------
// The same as map.png's, on the mean sphere. Sources: J. P. Snyder, Map Projections: A
// Working Manual (1987), pp. 182-187; B. Šavrič, T. Patterson, B. Jenny, The Equal
// Earth map projection (2018).

const RADIANS = Math.PI / 180;

/** Return forward(latitude, longitude) → [x, y] and inverse(x, y), null off the globe. */
function makeProjection({ name, latitude, longitude, radius }) {
  return name === "eqearth"
    ? equalEarth(longitude, radius)
    : azimuthal(latitude, longitude, radius);
}

function azimuthal(latitude, longitude, radius) {
  const sin0 = Math.sin(latitude * RADIANS);
  const cos0 = Math.cos(latitude * RADIANS);
  return {
    forward(lat, lon) {
      const sin = Math.sin(lat * RADIANS);
      const cos = Math.cos(lat * RADIANS);
      const turn = (lon - longitude) * RADIANS;
      const cosTurn = Math.cos(turn);
      const nearness = Math.max(1 + sin0 * sin + cos0 * cos * cosTurn, 1e-12);
      const k = radius * Math.sqrt(2 / nearness);
      return [k * cos * Math.sin(turn), k * (cos0 * sin - sin0 * cos * cosTurn)];
    },
    inverse(x, y) {
      const distance = Math.hypot(x, y) / (2 * radius);
      if (distance > 1) return null;
      // As a direction in space, which is exact at the poles as well.
      const away = 1 - 2 * distance * distance;
      const k = Math.sqrt(1 - distance * distance) / radius;
      const east = k * x;
      const north = k * y;
      const up = away * sin0 + north * cos0;
      const out = away * cos0 - north * sin0;
      return [
        Math.atan2(up, Math.hypot(out, east)) / RADIANS,
        wrapped(longitude + Math.atan2(east, out) / RADIANS),
      ];
    },
  };
}

function equalEarth(longitude, radius) {
  const [A1, A2, A3, A4] = [1.340264, -0.081106, 0.000893, 0.003796];
  const M = Math.sqrt(3) / 2;
  const height = (t) => t * (A1 + A2 * t ** 2 + t ** 6 * (A3 + A4 * t ** 2));
  const slope = (t) => A1 + 3 * A2 * t ** 2 + t ** 6 * (7 * A3 + 9 * A4 * t ** 2);
  const MOST = Math.asin(M);
  return {
    forward(lat, lon) {
      const t = Math.asin(M * Math.sin(lat * RADIANS));
      const turn = wrapped(lon - longitude) * RADIANS;
      return [(radius * turn * Math.cos(t)) / (M * slope(t)), radius * height(t)];
    },
    inverse(x, y) {
      let t = y / radius;
      for (let i = 0; i < 12; i++) t -= (height(t) - y / radius) / slope(t);
      if (!(Math.abs(t) <= MOST + 1e-9)) return null;
      const sin = Math.min(Math.max(Math.sin(t) / M, -1), 1);
      const turn = (x * M * slope(t)) / (radius * Math.cos(t) * RADIANS);
      if (Math.abs(turn) > 180 + 1e-6) return null;
      return [Math.asin(sin) / RADIANS, wrapped(longitude + turn)];
    },
  };
}

/** Return a longitude between -180° and 180°. */
function wrapped(degrees) {
  return degrees >= -180 && degrees <= 180
    ? degrees
    : degrees - 360 * Math.floor((degrees + 180) / 360);
}

/** Great-circle distance in metres on the mean sphere, by the haversine formula. */
function greatCircle([lat1, lon1], [lat2, lon2], radius) {
  const a =
    Math.sin(((lat2 - lat1) / 2) * RADIANS) ** 2 +
    Math.cos(lat1 * RADIANS) *
      Math.cos(lat2 * RADIANS) *
      Math.sin(((lon2 - lon1) / 2) * RADIANS) ** 2;
  return 2 * radius * Math.asin(Math.min(Math.sqrt(a), 1));
}
