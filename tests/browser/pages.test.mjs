// What map.html does in a real browser. The pages are made by `pages.py`.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, test } from "node:test";

import { assertFigure, check, figuresOf, settle } from "./check.mjs";
import { DESKTOP, launch, NARROW_PHONE, open, PHONE } from "./browser.mjs";

const FOLDER = resolve(process.env.PAGES ?? "build/pages");
const file = (name) => `${FOLDER}/${name}.html`;
const expected = (name) => JSON.parse(readFileSync(`${FOLDER}/${name}.json`, "utf8"));

let browser;
before(async () => {
  assert.ok(existsSync(file("few")), `there are no pages in ${FOLDER}: make test-browser`);
  browser = await launch();
});
after(() => browser?.close());

/** The picture as an element that can be read again and again. */
const PICTURE = `(() => {
  const board = document.querySelector("canvas.board");
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [board.width, board.height];
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(board, 0, 0);
  return pen;
})()`;

/** Open a page, do something there, and expect no complaint. */
async function on(name, screen, act) {
  const { page, problems, close } = await open(browser, file(name), screen);
  try {
    await act(page);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
}

for (const name of [
  "few",
  "hostile",
  "cities",
  "antimeridian",
  "polar",
  "globe",
  "thousand",
  "fifty-thousand",
  "largest",
  "hong-kong",
  "earthquakes",
  "aleutians",
]) {
  const isOurs = !["hong-kong", "earthquakes", "aleutians"].includes(name);
  const skip = !isOurs && !existsSync(file(name)) && "its data are missing";
  for (const [of, screen] of [
    ["a desktop", DESKTOP],
    ["a phone", PHONE],
  ]) {
    test(`${name} shows its figures on ${of}'s screen`, { skip }, () =>
      check(browser, file(name), expected(name), screen));
  }
}

test("a page fits a phone of 360 pixels", () =>
  check(browser, file("few"), expected("few"), NARROW_PHONE));

test("nothing that the user wrote becomes part of the page", () =>
  on("hostile", DESKTOP, async (page) => {
    const { title } = expected("hostile");
    assert.equal(await page.textContent("h1"), title);
    await page.locator(".centroid").first().click();
    const made = await page.evaluate(() => [
      document.querySelectorAll("img, iframe, object, embed, link, base").length,
      document.scripts.length,
      document.querySelectorAll("body a:not([href^='#'])").length,
    ]);
    assert.deepEqual(made, [0, 2, 1]); // data and script; the link to Leaflet
    const { clusters } = expected("hostile");
    const areas = await page.locator("#rows td.text:nth-child(2)").allTextContents();
    assert.deepEqual(areas, clusters.map(({ area }) => area));
  }));

test("the page's policy lets nothing but its own script and style in", () =>
  on("few", DESKTOP, async (page) => {
    const blocked = await page.evaluate(async () => {
      const found = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        found.push(event.effectiveDirective);
      });
      const script = document.createElement("script");
      script.textContent = "window.wasRun = true";
      document.body.append(script);
      const style = document.createElement("style");
      style.textContent = "body { display: none }";
      document.body.append(style);
      await new Image().decode.call(
        Object.assign(new Image(), { src: "https://example.com/a.png" }),
      ).catch(() => {});
      await fetch("https://example.com/").catch(() => {});
      await new Promise((done) => setTimeout(done, 50));
      return { found: found.sort(), wasRun: Boolean(window.wasRun) };
    });
    assert.deepEqual(blocked, {
      found: ["connect-src", "img-src", "script-src-elem", "style-src-elem"],
      wasRun: false,
    });
  }).catch((error) => {
    // Each is also told to the console, and to no network.
    const told = String(error.message);
    if (error.code !== "ERR_ASSERTION" || !told.includes("console error")) throw error;
    assert.ok(!told.includes("request:"), told);
  }));

for (const scheme of ["light", "dark"]) {
  test(`a page is ${scheme} where the system is, and the other at a click`, () =>
    on("few", { ...DESKTOP, colorScheme: scheme }, async (page) => {
      const brightness = () =>
        page.evaluate(() => {
          const { paper, ink } = Object.fromEntries(
            ["paper", "ink"].map((name) => {
              const box = document.createElement("i");
              box.style.color = `var(--${name})`;
              document.body.append(box);
              const colour = getComputedStyle(box).color.match(/\d+/g).map(Number);
              box.remove();
              return [name, colour[0] + colour[1] + colour[2]];
            }),
          );
          return paper > ink ? "light" : "dark";
        });
      const sea = async () => {
        const pen = await page.evaluateHandle(PICTURE);
        return pen.evaluate((context) => {
          const { width, height } = context.canvas;
          const pixels = context.getImageData(0, 0, width, height).data;
          let sum = 0;
          for (let i = 0; i < pixels.length; i += 4) sum += pixels[i + 1];
          return sum / (pixels.length / 4) > 128 ? "light" : "dark";
        });
      };
      const other = scheme === "light" ? "dark" : "light";
      assert.deepEqual([await brightness(), await sea()], [scheme, scheme]);
      const button = page.getByRole("button", { name: "Dark" });
      await button.click();
      assert.deepEqual([await brightness(), await sea()], [other, other]);
      assert.equal(await button.getAttribute("aria-pressed"), String(other === "dark"));
    }));
}

test("Tab goes from centroid to centroid in the order of their numbers", () =>
  on("few", DESKTOP, async (page) => {
    await page.locator("#map").focus();
    const reached = [];
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement.dataset.cluster));
    }
    assert.deepEqual(reached, ["1", "2", "3", "4", "5", "6"]);
    await page.keyboard.press("Enter");
    const popup = page.getByRole("dialog", { name: "Cluster 6", exact: true });
    await popup.waitFor();
    const label = await page.getAttribute(".centroid[data-cluster='6']", "aria-label");
    assert.match(label, /^Cluster 6; \d+ places, /);
    await page.keyboard.press("Tab"); // into the popup
    await page.keyboard.press("Escape");
    await popup.waitFor({ state: "detached" });
    const now = await page.evaluate(() => document.activeElement.dataset.cluster);
    assert.equal(now, "6", "the focus goes back to the centroid");
  }));

for (const [of, screen] of [
  ["a desktop", DESKTOP],
  ["a phone", PHONE],
  ["a narrow phone", NARROW_PHONE],
]) {
  test(`nothing covers a popup on ${of}'s screen`, () =>
    on("cities", screen, async (page) => {
      for (let number = 1; number <= 12; number++) {
        await page.evaluate((n) => {
          document.querySelector(`#rows tr[data-cluster="${n}"] button`).click();
          window.scrollTo(0, 0);
        }, number);
        const popup = page.getByRole("dialog", { name: `Cluster ${number}`, exact: true });
        await popup.waitFor();
        await settle(page);
        const covered = await popup.evaluate((element) =>
          [...element.querySelectorAll("h3, dd, .plain, a")].filter((part) => {
            const { left, top, width, height } = part.getBoundingClientRect();
            const found = document.elementFromPoint(left + width / 2, top + height / 2);
            return !element.contains(found);
          }).length,
        );
        assert.equal(covered, 0, `of cluster ${number}`);
      }
      await page.keyboard.press("Escape");
      const aside = await page.locator(".leaflet-control.aside").count();
      assert.equal(aside, 0, "the controls are there again");
    }));
}

test("arrow keys go from row to row", () =>
  on("few", DESKTOP, async (page) => {
    const number = () =>
      page.evaluate(() => document.activeElement.closest("tr").dataset.cluster);
    await page.locator("#rows button").first().focus();
    await page.keyboard.press("ArrowDown");
    assert.equal(await number(), "2");
    await page.keyboard.press("End");
    assert.equal(await number(), "6");
    await page.keyboard.press("ArrowUp");
    assert.equal(await number(), "5");
  }));

test("each theme is switched on and off by its box", () =>
  on("few", DESKTOP, async (page) => {
    const picture = () =>
      page.evaluate(() => document.querySelector("canvas.board").toDataURL());
    const boxes = page.locator(".leaflet-control-layers label");
    assert.deepEqual((await boxes.allTextContents()).map((text) => text.trim()), [
      "Places",
      "Service areas",
      "Hulls",
      "Grid",
    ]);
    for (let i = 0; i < 4; i++) {
      const before = await picture();
      await boxes.nth(i).click();
      const between = await picture();
      assert.notEqual(between, before);
      await boxes.nth(i).click();
      assert.equal(await picture(), before);
    }
  }));

test("a cluster of many is found by its number, on another page of the table", () =>
  on("thousand", DESKTOP, async (page) => {
    await page.getByLabel("Cluster", { exact: true }).fill("777");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByRole("dialog", { name: "Cluster 777", exact: true }).waitFor();
    assert.equal(await page.textContent("#page"), "701–800 of 1,000");
    assert.equal(await page.getAttribute("#rows tr.chosen", "data-cluster"), "777");
    const marker = page.locator(".centroid.chosen");
    assert.equal(await marker.getAttribute("data-cluster"), "777");
    await page.getByRole("button", { name: "Next page" }).click();
    assert.equal(await page.textContent("#page"), "801–900 of 1,000");
  }));

test("centroids without a marker are clicked on the picture, and get one closer by", () =>
  on("thousand", DESKTOP, async (page) => {
    const marked = await page.locator(".centroid").count();
    assert.ok(marked > 20 && marked <= 300, `${marked} markers`);
    const at = await page.evaluate(() => {
      const { clusters, containerPoint, map } = window.geoclusters;
      const frame = map.getContainer().getBoundingClientRect();
      for (let i = clusters.count - 1; i > 0; i--) {
        const { x, y } = containerPoint(clusters.x[i], clusters.y[i]);
        const top = document.elementFromPoint(frame.x + x, frame.y + y);
        if (top?.tagName === "CANVAS" || top?.id === "map") {
          return { number: i + 1, x: frame.x + x, y: frame.y + y };
        }
      }
      return null;
    });
    await page.mouse.click(at.x, at.y);
    const popup = page.getByRole("dialog", { name: `Cluster ${at.number}`, exact: true });
    await popup.waitFor();
    await popup.getByRole("button", { name: "Zoom to it" }).click();
    await page.waitForFunction(
      (number) =>
        document.querySelector(`.centroid[data-cluster="${number}"] .number`) !== null,
      at.number,
    );
  }));

test("numbers of centroids don't overlap", async () => {
  for (const name of ["cities", "thousand", "fifty-thousand"]) {
    await on(name, DESKTOP, async (page) => {
      const boxes = await page.evaluate(() =>
        [...document.querySelectorAll(".centroid:not(.small) .number")].map((element) => {
          const { left, top, right, bottom } = element.getBoundingClientRect();
          return [left, top + 2, right, bottom - 2];
        }),
      );
      assert.ok(boxes.length > 5);
      boxes.forEach((a, i) =>
        boxes.slice(i + 1).forEach((b) => {
          const meet = a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
          assert.ok(!meet, `${a} and ${b} on ${name}`);
        }),
      );
    });
  }
});

test("places on both sides of the antimeridian stand side by side", () =>
  on("antimeridian", DESKTOP, async (page) => {
    const apart = await page.evaluate(() => {
      const { containerPoint, forward } = window.geoclusters;
      const west = containerPoint(...forward(-17, 179.9));
      const east = containerPoint(...forward(-17, -179.9));
      return east.x - west.x;
    });
    assert.ok(apart > 0 && apart < 100, `${apart} px`);
  }));

test("all places are in sight at first", async () => {
  for (const name of ["cities", "polar", "antimeridian", "globe"]) {
    for (const screen of [DESKTOP, PHONE]) {
      await on(name, screen, async (page) => {
        const outside = await page.evaluate(() => {
          const { places, containerPoint, map } = window.geoclusters;
          const { x: width, y: height } = map.getSize();
          return Array.from(places.x, (x, i) => containerPoint(x, places.y[i])).filter(
            ({ x, y }) => x < 0 || y < 0 || x > width || y > height,
          ).length;
        });
        assert.equal(outside, 0, name);
      });
    }
  }
});

test("the scale bar is as long as it says", async () => {
  for (const name of ["cities", "polar", "globe"]) {
    await on(name, DESKTOP, async (page) => {
      const { text, width, metres } = await page.evaluate(() => {
        const { map, inverse, distance } = window.geoclusters;
        const bar = document.querySelector(".leaflet-control-scale-line");
        const middle = map.getSize().divideBy(2);
        const [a, b] = [-50, 50].map((aside) => {
          const { lat, lng } = map.containerPointToLatLng(middle.add([aside, 0]));
          return inverse(lng, lat);
        });
        return { text: bar.textContent, width: bar.offsetWidth, metres: distance(a, b) };
      });
      const [number, unit] = text.split(" ");
      const said = Number(number.replaceAll(",", "")) * (unit === "km" ? 1000 : 1);
      const measured = (metres / 100) * width;
      assert.ok(Math.abs(said / measured - 1) < 0.05, `${text}: ${measured} m`);
    });
  }
});

test("land is drawn where it is known to be", () =>
  on("cities", DESKTOP, async (page) => {
    for (const label of ["Places", "Service areas", "Grid"]) {
      await page.getByRole("checkbox", { name: label, exact: true }).click();
    }
    const picture = await page.evaluateHandle(PICTURE);
    const found = await picture.evaluate((pen) => {
      const { forward, containerPoint, map } = window.geoclusters;
      const canvas = document.querySelector("canvas.board");
      const box = canvas.getBoundingClientRect();
      const frame = map.getContainer().getBoundingClientRect();
      const at = (latitude, longitude) => {
        const { x, y } = containerPoint(...forward(latitude, longitude));
        const pixel = [x + frame.x - box.x, y + frame.y - box.y];
        return [...pen.getImageData(...pixel.map(Math.round), 1, 1).data].join();
      };
      return {
        land: [at(40.2, -3.9), at(48.3, 2.2), at(61.8, 26.2), at(52.0, 19.0)],
        sea: [at(45.0, -5.5), at(56.5, 3.0), at(58.5, 20.0), at(43.3, 34.0)],
      };
    });
    assert.equal(new Set(found.land).size, 1, JSON.stringify(found));
    assert.equal(new Set(found.sea).size, 1, JSON.stringify(found));
    assert.notEqual(found.land[0], found.sea[0]);
  }));

test("the borders of one's own are named", { skip: !existsSync(file("hong-kong")) && "its data are missing" }, () =>
  on("hong-kong", DESKTOP, async (page) => {
    const box = page.getByRole("checkbox", { name: "Borders" });
    assert.ok(await box.isChecked());
    await page.locator(".centroid[data-cluster='1']").click();
    const popup = page.getByRole("dialog", { name: "Cluster 1", exact: true });
    const figures = await figuresOf(popup);
    const [{ area, mean_distance_m: mean }] = expected("hong-kong").clusters;
    assert.equal(figures.Area, area);
    assertFigure(figures["Mean distance"], mean, "mean distance");
  }));

test("fifty thousand places are drawn in moderate time", (t) =>
  on("fifty-thousand", DESKTOP, async (page) => {
    const ready = await page.evaluate(() => performance.now());
    const times = [];
    for (let i = 0; i < 5; i++) {
      times.push(
        await page.evaluate(() => {
          const start = performance.now();
          window.geoclusters.map.fire("moveend");
          return performance.now() - start;
        }),
      );
    }
    const least = Math.min(...times);
    t.diagnostic(`ready after ${Math.round(ready)} ms, drawn in ${Math.round(least)} ms`);
    assert.ok(ready < 15_000 && least < 1500, `${ready} ms, ${least} ms`);
  }));
