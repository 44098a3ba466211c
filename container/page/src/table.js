// --- the table of clusters ----------------------------------------------------
// In pages, so that ten thousand clusters are as quick as ten.

const ROWS_PER_PAGE = 100;

const distanceColumn = (label, title, name) => ({
  label,
  title,
  value: CLUSTERS[name] && ((i) => CLUSTERS[name][i]),
  text: (i) => distanceText(CLUSTERS[name][i]),
});

const COLUMNS = [
  { label: "Cluster", title: "Number of the cluster", value: (i) => i },
  {
    label: "Area",
    title: "The area in which the centroid stands",
    value: CLUSTERS.hasAreas ? (i) => CLUSTERS.area(i) : null,
    text: (i) => CLUSTERS.area(i) || NOTHING,
    isText: true,
  },
  {
    label: "Places",
    title: "Number of places",
    value: (i) => CLUSTERS.size[i],
    text: (i) => whole.format(CLUSTERS.size[i]),
  },
  {
    label: "Share",
    title: "Share of all places",
    value: (i) => CLUSTERS.share[i],
    text: (i) => shareText(CLUSTERS.share[i]),
  },
  distanceColumn("Mean", "Mean distance of the places from the centroid", "meanDistance"),
  distanceColumn("Median", "Half of the places are nearer to the centroid", "medianDistance"),
  distanceColumn("95 %", "95 % of the places are nearer to the centroid", "p95Distance"),
  distanceColumn("Farthest", "Distance of the farthest place", "maxDistance"),
  {
    label: "Nearest place",
    title: "The place nearest to the centroid: its id or its row",
    value: CLUSTERS.nearestRow && ((i) => CLUSTERS.nearestId?.[i] || CLUSTERS.nearestRow[i] || NaN),
    text: nearestText,
    isText: true,
  },
  distanceColumn("Its distance", "Distance of the nearest place from the centroid", "nearestDistance"),
  {
    label: "Latitude",
    title: "Of the centroid, in degrees",
    value: (i) => CLUSTERS.latitude[i],
    text: (i) => degreesText(CLUSTERS.latitude[i]),
  },
  {
    label: "Longitude",
    title: "Of the centroid, in degrees",
    value: (i) => CLUSTERS.longitude[i],
    text: (i) => degreesText(CLUSTERS.longitude[i]),
  },
].filter((column) => column.value);

class Table {
  constructor({ onSelect }) {
    this._onSelect = onSelect;
    this._order = Array.from({ length: CLUSTERS.count }, (_, i) => i);
    this._sorted = { column: COLUMNS[0], isDown: false };
    this._page = 0;
    this.chosen = -1;
    this._rows = document.getElementById("rows");
    this._addHeader();
    this._addPages();
    this._addFind();
    this._listen();
    this._fill();
  }

  /** Mark a cluster's row, and show it where `isShown`. */
  choose(i, isShown) {
    this.chosen = i;
    if (i >= 0 && isShown) {
      const page = Math.floor(this._order.indexOf(i) / ROWS_PER_PAGE);
      if (page !== this._page) {
        this._page = page;
        this._fill();
      }
    }
    for (const row of this._rows.rows) this._mark(row);
    if (i >= 0 && isShown) this._scrollTo(this._row(i));
  }

  /** Scroll within the table alone: the page stays where it is. */
  _scrollTo(row) {
    const box = document.getElementById("scroll");
    const head = box.querySelector("thead").offsetHeight;
    const top = row.offsetTop - head;
    const bottom = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (box.scrollTop > top) box.scrollTop = top - 40;
    else if (box.scrollTop < bottom) box.scrollTop = bottom + 40;
  }

  _row(i) {
    return this._rows.querySelector(`tr[data-cluster="${i + 1}"]`);
  }

  _mark(row) {
    const isChosen = row.dataset.cluster === String(this.chosen + 1);
    row.classList.toggle("chosen", isChosen);
    if (isChosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }

  _addHeader() {
    const header = document.getElementById("columns");
    for (const column of COLUMNS) {
      const button = element("button", { type: "button", title: column.title }, column.label);
      column.cell = element("th", { scope: "col", class: column.isText ? "text" : "" }, button);
      button.addEventListener("click", () => this._sort(column));
      header.append(column.cell);
    }
    this._showSorting();
  }

  _sort(column) {
    const isDown = this._sorted.column === column && !this._sorted.isDown;
    this._sorted = { column, isDown };
    const sign = isDown ? -1 : 1;
    const values = this._order.map((_, i) => column.value(i));
    const isNone = (value) => value === "" || Number.isNaN(value);
    const collator = new Intl.Collator("en", { numeric: true });
    this._order.sort((a, b) => {
      const [one, other] = [values[a], values[b]];
      if (isNone(one) || isNone(other)) return isNone(one) - isNone(other) || a - b;
      const areTexts = typeof one === "string" || typeof other === "string";
      const difference = areTexts
        ? collator.compare(String(one), String(other))
        : one - other;
      return sign * difference || a - b;
    });
    this._page = 0;
    this._showSorting();
    this._fill();
    document.getElementById("scroll").scrollTop = 0;
  }

  _showSorting() {
    for (const column of COLUMNS) {
      const isSorted = column === this._sorted.column;
      const order = this._sorted.isDown ? "descending" : "ascending";
      column.cell.setAttribute("aria-sort", isSorted ? order : "none");
    }
  }

  _fill() {
    const from = this._page * ROWS_PER_PAGE;
    const shown = this._order.slice(from, from + ROWS_PER_PAGE);
    this._rows.replaceChildren(...shown.map((i) => this._makeRow(i)));
    const pages = Math.ceil(CLUSTERS.count / ROWS_PER_PAGE);
    document.getElementById("page").textContent =
      `${whole.format(from + 1)}–${whole.format(from + shown.length)} of ${whole.format(CLUSTERS.count)}`;
    document.getElementById("before").disabled = this._page === 0;
    document.getElementById("after").disabled = this._page === pages - 1;
  }

  _makeRow(i) {
    const swatch = element("span", { class: "swatch" });
    swatch.style.backgroundColor = DATA.palette[CLUSTERS.colour[i]];
    const button = element(
      "button",
      { type: "button", "aria-label": `Cluster ${i + 1}: show on the map` },
      swatch,
      whole.format(i + 1),
    );
    const row = element("tr", { "data-cluster": i + 1 });
    row.append(element("th", { scope: "row" }, button));
    for (const column of COLUMNS.slice(1)) {
      const text = column.text(i);
      row.append(
        column.isText
          ? element("td", { class: "text", title: text }, foreign(text))
          : element("td", {}, text),
      );
    }
    this._mark(row);
    return row;
  }

  _listen() {
    this._rows.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !String(window.getSelection())) {
        this._onSelect(Number(row.dataset.cluster) - 1);
      }
    });
    const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    this._rows.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      const rows = [...this._rows.rows];
      const at = rows.indexOf(event.target.closest("tr"));
      const to = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
      to.querySelector("button").focus();
      event.preventDefault();
    });
  }

  _addPages() {
    const turn = (by) => {
      this._page += by;
      this._fill();
      document.getElementById("scroll").scrollTop = 0;
    };
    document.getElementById("before").addEventListener("click", () => turn(-1));
    document.getElementById("after").addEventListener("click", () => turn(1));
    document.getElementById("pages").hidden = CLUSTERS.count <= ROWS_PER_PAGE;
  }

  _addFind() {
    const form = document.getElementById("find");
    const input = document.getElementById("number");
    form.hidden = CLUSTERS.count <= 25;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const number = Number(input.value.replace(/[\s,]/g, ""));
      const isKnown = Number.isInteger(number) && number >= 1 && number <= CLUSTERS.count;
      input.setCustomValidity(
        isKnown ? "" : `A whole number from 1 to ${whole.format(CLUSTERS.count)}`,
      );
      input.reportValidity();
      if (isKnown) this._onSelect(number - 1, true);
    });
    input.addEventListener("input", () => input.setCustomValidity(""));
  }
}
