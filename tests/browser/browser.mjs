// A headless Chromium that may read files and nothing else, and what it complains of.

import { execFileSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 3,
  hasTouch: true,
  isMobile: true,
};
export const NARROW_PHONE = { ...PHONE, viewport: { width: 360, height: 640 } };

// Chromium minds the last such list alone, so Playwright's own is in it, as far as it
// matters here. Without the address bar's popups a window has half as many processes.
const DISABLED_FEATURES = [
  "DestroyProfileOnBrowserClose",
  "HttpsUpgrades",
  "HttpsFirstBalancedModeAutoEnable",
  "LensOverlay",
  "MediaRouter",
  "PaintHolding",
  "OptimizationHints",
  "NetworkTimeServiceQuerying",
  "AimEnabled",
  "PreconnectToSearch",
  "WebUIOmniboxPopup",
  "WebUIOmniboxFullPopup",
  "WebUIOmniboxAimPopup",
];
const FLAGS = [
  `--disable-features=${DISABLED_FEATURES}`,
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  const script = fileURLToPath(new URL("find-chromium.sh", import.meta.url));
  const executablePath = execFileSync(script, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  // Playwright gives it a new, empty profile and removes that afterwards.
  return chromium.launch({ executablePath, args: FLAGS });
}

/** Open a file with the network off; `problems` gets all that goes wrong on the page. */
export async function open(browser, file, screen = DESKTOP) {
  const context = await browser.newContext({ ...screen, offline: true });
  const problems = [];
  await context.route(
    () => true,
    (route) => {
      const url = route.request().url();
      if (/^(file|data|blob):/.test(url)) return route.continue();
      problems.push(`request: ${url}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => {
    problems.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  await page.goto(pathToFileURL(file).href);
  return { page, problems, close: () => context.close() };
}
