// --- numbers as people write them ---------------------------------------------

const NOTHING = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Three digits at most: 7.3 m, 123 m, 1.23 km, 1,234 km. */
function distanceText(metres) {
  if (Number.isNaN(metres)) return NOTHING;
  if (metres < 9.95) return `${metres.toFixed(metres < 0.05 ? 0 : 1)} m`;
  if (Math.round(metres) < 1000) return `${Math.round(metres)} m`;
  const km = metres / 1000;
  if (km < 9.995) return `${km.toFixed(2)} km`;
  return km < 99.95 ? `${km.toFixed(1)} km` : `${whole.format(km)} km`;
}

function shareText(share) {
  const percent = 100 * share;
  if (percent === 0 || percent >= 9.95) return `${Math.round(percent)} %`;
  return percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(1)} %`;
}

function degreesText(degrees) {
  return Number.isNaN(degrees) ? NOTHING : degrees.toFixed(7);
}

/** As few digits as say the same. */
function shortDegreesText(degrees) {
  return Number.isNaN(degrees) ? NOTHING : String(Number(degrees.toFixed(7)));
}

function placesText(count) {
  return count === 1 ? "1 place" : `${whole.format(count)} places`;
}

/** Make an element; texts reach the page by this alone, and are never read as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A text of the user's: whichever way it is written, it turns nothing around it. */
function foreign(text) {
  return element("bdi", { class: "foreign" }, text);
}
