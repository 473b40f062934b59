"use strict";
// What the panes are made of: grids of cells with numbers, maps of small cells, formulas.

/** A number as it is written: whole ones as they are, others to four digits. */
function numberText(value) {
  const whole = Number.isInteger(value) && Math.abs(value) < 1e7;
  return String(whole ? value + 0 : Number(value.toPrecision(4))).replace("-", "−");
}

/** A factor in a product, in brackets where it is negative. */
function factorText(value) {
  return value < 0 ? `(${numberText(value)})` : numberText(value);
}

/** "1 cell", "2 cells". */
function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Black or white, whichever is read more easily on a colour: at least 4.5 to 1 on any. */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue; // as WCAG defines it
  return luminance > 0.179 ? "#000000" : "#ffffff";
}

/** Tell the style sheet which weight's colour an element has; null or undefined for none. */
function colourIn(element, colour) {
  if (colour) {
    element.style.setProperty("--weight", colour);
    element.style.setProperty("--on-weight", inkOn(colour));
  } else element.removeAttribute("style");
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A name like 2,3 for a cell of a grid so many columns wide. */
function placeText(cell, columns) {
  return `${Math.floor(cell / columns)},${cell % columns}`;
}

/**
 * Cells in rows and columns. Where something can be chosen, one cell is in the order of the Tab key
 * and the arrows lead to the others.
 */
class CellGrid {
  /**
   * @param {Element} holder what it is put into, instead of what is there
   * @param {number[]} size [rows, columns]
   * @param {string} name for those who cannot see it
   * @param {{lines?: string[], choose?: function(number)}} options what stands before each row;
   *     what is done when a cell is chosen
   */
  constructor(holder, [rows, columns], name, { lines = [], choose = null } = {}) {
    this.columns = columns;
    this.chosen = 0;
    this.name = name;
    this.root = element("div", "grid");
    this.root.style.setProperty("--columns", columns);
    this.root.classList.toggle("named", lines.length > 0);
    this.root.setAttribute("role", choose ? "grid" : "img");
    this.root.setAttribute("aria-label", name);
    this.cells = [];
    for (let row = 0; row < rows; row += 1) {
      const line = this.root.appendChild(element("div", "line"));
      if (choose) line.setAttribute("role", "row");
      if (lines.length) line.append(element("span", "line-name", lines[row]));
      for (let column = 0; column < columns; column += 1) {
        const cell = element("div", "cell");
        cell.dataset.cell = this.cells.length;
        if (choose) cell.setAttribute("role", "gridcell");
        this.cells.push(line.appendChild(cell));
      }
    }
    holder.replaceChildren(this.root);
    if (choose) this.listen(choose);
  }

  /** Write one text per cell, as large as the longest fits. */
  write(texts) {
    this.root.style.setProperty("--longest", Math.max(2, ...texts.map((text) => text.length)));
    texts.forEach((text, cell) => {
      this.cells[cell].textContent = text;
      this.cells[cell].setAttribute("aria-label", `${placeText(cell, this.columns)}: ${text}`);
    });
  }

  /** Give a cell a weight's colour (null for none) and classes of the style sheet. */
  paint(cell, colour, classes = "") {
    this.cells[cell].className = `cell ${classes}`;
    colourIn(this.cells[cell], colour);
  }

  /** A frame around a block of cells, that moves there if it is elsewhere. */
  frame(className, row, column, rows, columns) {
    let frame = this.root.querySelector(`.${className}`);
    if (!frame) frame = this.root.appendChild(element("div", `frame ${className}`));
    const places = { "--row": row, "--column": column, "--rows": rows, "--across": columns };
    for (const [property, value] of Object.entries(places)) frame.style.setProperty(property, value);
  }

  /** Mark the chosen cell; the keyboard's focus follows if it is in this grid. */
  mark(cell) {
    this.cells.forEach((each, index) => {
      each.tabIndex = index === cell ? 0 : -1;
      each.setAttribute("aria-selected", index === cell);
      each.classList.toggle("chosen", index === cell);
    });
    if (this.root.contains(document.activeElement)) this.cells[cell].focus();
    this.chosen = cell;
  }

  /** Scroll sideways, where not all finds room, so that these cells are in the middle. */
  reveal(cells) {
    if (!cells.length) return;
    const holder = this.root.parentElement;
    const middleOf = (cell) => this.cells[cell].offsetLeft + this.cells[cell].offsetWidth / 2;
    const middle = (middleOf(cells[0]) + middleOf(cells[cells.length - 1])) / 2;
    const names = this.cells[0].offsetLeft; // they stay where they are and cover what is under them
    holder.scrollLeft = middle - names / 2 - holder.clientWidth / 2;
  }

  listen(choose) {
    followPointer(this.root, (event) => {
      const cell = event.target.closest(".cell");
      if (cell) choose(Number(cell.dataset.cell));
    });
    this.root.addEventListener("keydown", (event) => {
      const next = this.cellAfter(event);
      if (next === null) return;
      event.preventDefault(); // arrows would scroll the page
      choose(next);
    });
  }

  /** Where a key leads from the chosen cell; null if nowhere. */
  cellAfter({ key, ctrlKey }) {
    const last = this.cells.length - 1;
    const [first, column] = [this.chosen - (this.chosen % this.columns), this.chosen % this.columns];
    const rowEnd = first + this.columns - 1;
    const next = {
      ArrowLeft: column > 0 ? this.chosen - 1 : this.chosen,
      ArrowRight: this.chosen < rowEnd ? this.chosen + 1 : this.chosen,
      ArrowUp: first > 0 ? this.chosen - this.columns : this.chosen,
      ArrowDown: rowEnd < last ? this.chosen + this.columns : this.chosen,
      Home: ctrlKey ? 0 : first,
      End: ctrlKey ? last : rowEnd,
    }[key];
    return next ?? null;
  }
}

/**
 * Call `follow` where the mouse moves to, and where a finger or a pen taps. Browsers also tell of a
 * mouse that rests while the page moves under it; that must not undo what the keyboard chose.
 */
function followPointer(target, follow) {
  let [x, y] = [null, null];
  target.addEventListener("pointermove", (event) => {
    const rests = event.clientX === x && event.clientY === y;
    [x, y] = [event.clientX, event.clientY];
    if (event.pointerType === "mouse" && !rests) follow(event);
  });
  target.addEventListener("click", follow);
}

// Up to so many columns and rows of a map are wide enough, even on a phone, to hold numbers.
const NUMBERED_COLUMNS = 9;
const NUMBERED_ROWS = 12;
// With more rows or columns, lines between all of them would leave nothing of the cells.
const MOST_LINES = 50;

/**
 * A whole matrix as small cells: one <path> per weight, so that all cells tied to it are lit at
 * once.
 *
 * @param {SVGElement} svg to draw in, one unit per cell
 * @param {number[][]} weights which weight is in which cell; -1 for none
 * @param {string[]} colours of the weights
 * @param {{blocks: number[], texts: string[][]}} options draw a line every so many [rows, columns];
 *     what is written into the cells if they are few
 */
function drawMap(svg, weights, colours, { blocks, texts }) {
  const [rows, columns] = [weights.length, weights[0].length];
  const outlines = colours.map(() => "");
  weights.forEach((line, row) =>
    line.forEach((w, column) => {
      if (w >= 0) outlines[w] += `M${column} ${row}h1v1h-1z`;
    }),
  );
  const paths = outlines.map(
    (outline, w) => `<path class="weight" data-weight="${w}" fill="${colours[w]}" d="${outline}"/>`,
  );
  const numbered = rows <= NUMBERED_ROWS && columns <= NUMBERED_COLUMNS;
  const numbers = weights.flatMap((line, row) =>
    line.map((w, column) => {
      const text = texts[row][column];
      const size = Math.min(0.45, 1.4 / text.length);
      const ink = w < 0 ? "" : `fill="${inkOn(colours[w])}" data-weight="${w}"`;
      return `<text x="${column + 0.5}" y="${row + 0.5}" font-size="${size}" ${ink}>${text}</text>`;
    }),
  );
  svg.setAttribute("viewBox", `-0.1 -0.1 ${columns + 0.2} ${rows + 0.2}`);
  svg.setAttribute("preserveAspectRatio", "none"); // the style sheet decides on the sides
  svg.style.setProperty("--columns", columns);
  svg.style.setProperty("--rows", rows);
  svg.innerHTML = [
    `<rect class="ground" width="${columns}" height="${rows}"/>`,
    ...paths,
    Math.max(rows, columns) > MOST_LINES ? "" : gridLines(rows, columns, 1, 1, "thin"),
    gridLines(rows, columns, ...blocks, "block"),
    ...(numbered ? numbers : []),
    '<rect class="marker"/>',
  ].join("");
}

/** A <path> of lines every so many rows and columns. */
function gridLines(rows, columns, everyRows, everyColumns, className) {
  let lines = "";
  for (let row = 0; row <= rows; row += everyRows) lines += `M0 ${row}h${columns}`;
  for (let column = 0; column <= columns; column += everyColumns) lines += `M${column} 0v${rows}`;
  return `<path class="${className}" d="${lines}"/>`;
}

/** Frame a block of a map's cells. */
function markMap(svg, row, column, rows, columns) {
  const marker = svg.querySelector(".marker");
  const places = { x: column, y: row, width: columns, height: rows };
  for (const [name, value] of Object.entries(places)) marker.setAttribute(name, value);
}

/** Light some weights' cells of a map up and wash the others out; null lights all. */
function lightMap(svg, weight) {
  for (const part of svg.querySelectorAll("[data-weight]")) {
    const lit = weight === null || Number(part.dataset.weight) === weight;
    part.classList.toggle("unlit", !lit);
  }
}

/** Call `choose(row, column)` for the cell of a map under the pointer. */
function listenToMap(svg, choose) {
  followPointer(svg, (event) => {
    const ground = svg.querySelector(".ground").getBoundingClientRect();
    const { width, height } = svg.querySelector(".ground").attributes;
    const share = [
      (event.clientY - ground.top) / ground.height,
      (event.clientX - ground.left) / ground.width,
    ];
    if (share.some((s) => s < 0 || s >= 1)) return;
    choose(Math.floor(share[0] * height.value), Math.floor(share[1] * width.value));
  });
}

/**
 * A sum of products, each in its weight's colour.
 *
 * @param {Element} holder what it is put into
 * @param {{text: string, colour: string, classes?: string}[]} terms
 * @param {string} total what they add up to
 */
function writeFormula(holder, terms, total) {
  holder.replaceChildren();
  terms.forEach(({ text, colour, classes = "" }, index) => {
    if (index > 0) holder.append(element("span", "sign", "+"));
    const term = element("span", `term ${classes}`, text);
    colourIn(term, colour);
    holder.append(term);
  });
  holder.append(element("span", "sign", "="), element("strong", "total", total));
}
