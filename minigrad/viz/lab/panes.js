"use strict";
// The panes. A side of the lab is an object with `build(scene)`, for new sizes or numbers, and
// `show(scene, position, weight)`, for another output cell or another weight. `show` returns what
// to tell those who listen instead of looking: a sentence for whichever of the two was chosen.

const byId = (id) => document.getElementById(id);

/** How the padded image folds: its size, and where the image begins in it. */
function paddedOf({ image, pads }) {
  const [[top, bottom], [left, right]] = pads;
  return { size: [top + image[0] + bottom, left + image[1] + right], top, left };
}

/** A grid of the padded image, the image proper outlined. `values` are the image's cells. */
function paddedGrid(holder, scene, name, options) {
  const { size, top, left } = paddedOf(scene.geometry);
  const grid = new CellGrid(holder, size, name, options);
  const [height, width] = scene.geometry.image;
  if (size[0] > height || size[1] > width) grid.frame("edge", top, left, height, width);
  return grid;
}

/** Write the image's cells into a grid of the padded image, and `outside` into the padding. */
function writePadded(grid, { geometry }, texts, outside) {
  grid.write(placesOf(paddedOf(geometry).size).map((place) => texts[imageCell(geometry, place)] ?? outside));
}

/** The cell of the image at a place of the padded image; -1 is padding. */
function imageCell({ image: [height, width], pads }, [paddedRow, paddedColumn]) {
  const [row, column] = [paddedRow - pads[0][0], paddedColumn - pads[1][0]];
  return row >= 0 && row < height && column >= 0 && column < width ? row * width + column : -1;
}

/** The cells of the padded image under the window of an output cell, one per weight. */
function windowCells(geometry, position) {
  const { size, top, left } = paddedOf(geometry);
  const outputPlace = placesOf(geometry.output)[position];
  return placesOf(geometry.kernel).map((weightPlace) => {
    const [row, column] = tapPlace(geometry, outputPlace, weightPlace);
    return (row + top) * size[1] + column + left;
  });
}

/** Colour the window of an output cell in the padded image, and frame it. */
function paintWindow(grid, scene, position) {
  const { geometry } = scene;
  const covered = windowCells(geometry, position);
  placesOf(paddedOf(geometry).size).forEach((place, cell) => {
    const w = covered.indexOf(cell);
    grid.paint(cell, scene.colours[w], imageCell(geometry, place) < 0 ? "outside" : "");
  });
  const [row, column] = placesOf(geometry.output)[position];
  const { stride, kernel, dilation } = geometry;
  const spans = [0, 1].map((axis) => dilatedSize(kernel[axis], dilation[axis]));
  grid.frame("window", row * stride[0], column * stride[1], ...spans);
}

/** The output cell whose window has its middle nearest to a cell of the padded image. */
function positionNear({ stride, kernel, dilation, output, pads, image }, paddedCell) {
  const place = placesOf(paddedOf({ image, pads }).size)[paddedCell];
  const [row, column] = place.map((at, axis) => {
    const middle = (dilatedSize(kernel[axis], dilation[axis]) - 1) / 2;
    return Math.min(output[axis] - 1, Math.max(0, Math.round((at - middle) / stride[axis])));
  });
  return row * output[1] + column;
}

function paintKernel(grid, colours) {
  colours.forEach((colour, w) => grid.paint(w, colour));
}

/** Names for a sentence: which output cell is chosen. */
function outputName({ geometry }, position) {
  return placeText(position, geometry.output[1]);
}

// --- forward --------------------------------------------------------------------------------------

const forwardSide = {
  build(scene) {
    const { geometry, colours, map, columns } = scene;
    this.image = paddedGrid(byId("image"), scene, "image with its padding, the window coloured");
    followPointer(this.image.root, (event) => {
      const cell = event.target.closest(".cell");
      if (cell) choose({ position: positionNear(geometry, Number(cell.dataset.cell)) });
    });
    writePadded(this.image, scene, scene.image.map(numberText), "0");

    this.kernel = new CellGrid(byId("kernel"), geometry.kernel, "kernel");
    this.kernel.write(scene.kernel.map(numberText));
    paintKernel(this.kernel, colours);

    this.output = new CellGrid(byId("output"), geometry.output, "output; arrow keys move the window", {
      choose: (position) => choose({ position }),
    });
    this.output.write(scene.output.map(numberText));

    const across = scene.kernel.length;
    this.row = new CellGrid(byId("im2col-row"), [3, across], "the row of im2col times the kernel", {
      lines: ["window", "kernel", "products"],
    });
    const cells = columns.map((line, p) => line.map((_, w) => (geometry.taps[p][w] < 0 ? -1 : w)));
    drawMap(byId("im2col-map"), cells, colours, {
      blocks: [geometry.output[1], across],
      texts: columns.map((line) => line.map(numberText)),
    });
    this.countWindows(scene);

    this.matrixRow = new CellGrid(
      byId("matrix-row"),
      [2, scene.image.length],
      "the row of the matrix, and the flattened image",
      { lines: ["matrix row", "image"] },
    );
    drawMap(byId("matrix-map"), map, colours, {
      blocks: [geometry.output[1], geometry.image[1]],
      texts: matrixOf(geometry, scene.kernel).map((line) => line.map(numberText)),
    });
    this.countMatrix(scene);
  },

  countWindows({ geometry, image, kernel, columns }) {
    const copied = columns.length * kernel.length;
    byId("im2col-count").textContent =
      `${counted(columns.length, "window")} of ${counted(kernel.length, "cell")}: ` +
      `${counted(copied, "number")}, copied out of ` +
      `${image.length}` + (geometry.pads.flat().some(Boolean) ? " and the padding." : ".");
  },

  countMatrix({ map, image, kernel }) {
    const used = map.flat().filter((w) => w >= 0).length;
    const all = map.length * image.length;
    byId("matrix-count").textContent =
      `${map.length} × ${image.length} = ${counted(all, "cell")}. ${used} of them hold one of only ` +
      `${counted(kernel.length, "weight")}; the other ${all - used} are zero, always.`;
  },

  show(scene, position) {
    const { geometry, kernel, colours, columns, output, map } = scene;
    const window = columns[position];
    const products = window.map((value, w) => value * kernel[w]);
    const isPadding = (w) => geometry.taps[position][w] < 0;

    paintWindow(this.image, scene, position);
    this.output.mark(position);
    byId("output-name").textContent = `cell ${outputName(scene, position)}`;
    const terms = window.map((value, w) => ({
      text: `${factorText(value)}·${factorText(kernel[w])}`,
      colour: colours[w],
      classes: isPadding(w) ? "from-padding" : "",
    }));
    writeFormula(byId("formula"), terms, numberText(output[position]));
    this.row.write([...window, ...kernel, ...products].map(numberText));
    this.row.cells.forEach((_, cell) => {
      const w = cell % kernel.length;
      this.row.paint(cell, colours[w], isPadding(w) && cell < kernel.length ? "outside" : "");
    });
    byId("im2col-sum").textContent = `products added up: ${numberText(output[position])}`;
    markMap(byId("im2col-map"), position, 0, 1, kernel.length);

    const line = map[position];
    const weights = line.map((w) => (w < 0 ? "0" : numberText(kernel[w])));
    this.matrixRow.write([...weights, ...scene.image.map(numberText)]);
    line.forEach((w, cell) => {
      this.matrixRow.paint(cell, colours[w], w < 0 ? "zero" : "");
      this.matrixRow.paint(line.length + cell, colours[w], w < 0 ? "unused" : "");
    });
    this.matrixRow.reveal(line.flatMap((w, cell) => (w < 0 ? [] : [cell])));
    byId("matrix-sum").textContent = `equal colours multiplied, added up: ${numberText(output[position])}`;
    markMap(byId("matrix-map"), position, 0, 1, line.length);

    const spoken = window.map((value, w) => `${numberText(value)} times ${numberText(kernel[w])}`);
    return {
      position:
        `Output cell ${outputName(scene, position)} is ${numberText(output[position])}: ` +
        spoken.join(" plus "),
    };
  },
};

// --- backward -------------------------------------------------------------------------------------

const backwardSide = {
  build(scene) {
    const { geometry, colours } = scene;
    this.gradient = new CellGrid(
      byId("gradient"),
      geometry.output,
      "gradient of the output; arrow keys choose a cell",
      { choose: (position) => choose({ position }) },
    );
    this.gradient.write(scene.gradient.map(numberText));
    this.soFar = paddedGrid(byId("so-far"), scene, "dX so far, the window coloured");
    this.dX = new CellGrid(byId("dX"), geometry.image, "dX, of all output cells");
    this.dX.write(scene.dX.map(numberText));
    this.column = new CellGrid(
      byId("column"),
      [2, scene.image.length],
      "the column of the transposed matrix, and what it adds",
      { lines: ["column", "× g"] },
    );
    const kernelOf = (w) => (w < 0 ? "0" : numberText(scene.kernel[w]));
    drawMap(byId("transposed-map"), transposed(scene.map), colours, {
      blocks: [geometry.image[1], geometry.output[1]],
      texts: transposed(scene.map).map((line) => line.map(kernelOf)),
    });

    this.kernel = new CellGrid(
      byId("weights"),
      geometry.kernel,
      "kernel; arrow keys choose a weight",
      { choose: (weight) => choose({ weight }) },
    );
    this.kernel.write(scene.kernel.map(numberText));
    paintKernel(this.kernel, colours);
    this.seen = paddedGrid(byId("seen"), scene, "image, the cells that the weight met coloured");
    writePadded(this.seen, scene, scene.image.map(numberText), "0");
    this.went = new CellGrid(
      byId("went"),
      geometry.output,
      "gradient of the output, the cells that the weight helped to make coloured",
    );
    this.went.write(scene.gradient.map(numberText));
    this.dK = new CellGrid(byId("dK"), geometry.kernel, "dK");
    this.dK.write(scene.dK.map(numberText));
    paintKernel(this.dK, colours);
    const products = scene.map.map((line, p) =>
      line.map((w, cell) => (w < 0 ? "0" : numberText(scene.image[cell] * scene.gradient[p]))),
    );
    drawMap(byId("tied-map"), scene.map, colours, {
      blocks: [geometry.output[1], geometry.image[1]],
      texts: products,
    });
  },

  show(scene, position, weight) {
    return {
      position: this.showInputGradient(scene, position),
      weight: this.showKernelGradient(scene, position, weight),
    };
  },

  /** One output gradient, and what it adds to the cells of its window. */
  showInputGradient(scene, position) {
    const { geometry, kernel, gradient, colours, map } = scene;
    const g = gradient[position];
    const before = inputGradient(geometry, kernel, gradient, position);
    const after = inputGradient(geometry, kernel, gradient, position + 1);

    this.gradient.mark(position);
    writePadded(this.soFar, scene, after.map(numberText), "");
    paintWindow(this.soFar, scene, position);
    const name = outputName(scene, position);
    byId("gradient-name").textContent = `cell ${name}`;
    byId("so-far-name").textContent = position ? `of cells 0,0 to ${name}` : "of cell 0,0";

    const holder = byId("additions");
    holder.replaceChildren();
    const sentences = [];
    geometry.taps[position].forEach((cell, w) => {
      if (cell < 0) return;
      const place = placeText(cell, geometry.image[1]);
      const item = element("li", "addition");
      const term = element("span", "term", `${factorText(g)}·${factorText(kernel[w])}`);
      colourIn(term, colours[w]);
      item.append(
        element("span", "place", `${place}:`),
        element("span", "", `${numberText(before[cell])} +`),
        term,
        element("strong", "", `= ${numberText(after[cell])}`),
      );
      holder.append(item);
      sentences.push(`${place} becomes ${numberText(after[cell])}`);
    });
    if (!sentences.length) holder.append(element("li", "addition", "nothing: all of its window is padding"));
    const line = map[position];
    byId("column-name").textContent = `g = ${numberText(g)}`;
    const weights = line.map((w) => (w < 0 ? 0 : kernel[w]));
    this.column.write([...weights, ...weights.map((value) => value * g)].map(numberText));
    line.forEach((w, cell) => {
      for (const at of [cell, line.length + cell]) {
        this.column.paint(at, colours[w], w < 0 ? "zero" : "");
      }
    });
    this.column.reveal(line.flatMap((w, cell) => (w < 0 ? [] : [cell])));
    markMap(byId("transposed-map"), 0, position, line.length, 1);
    return `Output gradient ${name} is ${numberText(g)}. In dX, ${sentences.join(", ")}`;
  },

  /** One weight, and the products of all cells tied to it. */
  showKernelGradient(scene, position, weight) {
    const { geometry, image, gradient, colours } = scene;
    const products = tiedProducts(geometry, image, gradient, weight);
    const total = numberText(scene.dK[weight]);

    this.kernel.mark(weight);
    this.dK.cells.forEach((cell, w) => cell.classList.toggle("chosen", w === weight));
    const met = new Set(geometry.taps.map((taps) => taps[weight]));
    placesOf(paddedOf(geometry).size).forEach((place, cell) => {
      const at = imageCell(geometry, place);
      this.seen.paint(cell, at >= 0 && met.has(at) ? colours[weight] : null, at < 0 ? "outside" : "");
    });
    geometry.taps.forEach((taps, p) => {
      this.went.paint(p, taps[weight] >= 0 ? colours[weight] : null, p === position ? "chosen" : "");
    });
    lightMap(byId("tied-map"), weight);
    markMap(byId("tied-map"), position, 0, 1, image.length);

    const name = placeText(weight, geometry.kernel[1]);
    byId("weight-name").textContent = `weight ${name}`;
    byId("tied-name").textContent = `${counted(products.length, "cell")} tied to it`;
    const terms = products.map((product) => ({
      text: `${factorText(product.image)}·${factorText(product.gradient)}`,
      colour: colours[weight],
      classes: product.position === position ? "current" : "",
    }));
    if (terms.length) writeFormula(byId("tied-formula"), terms, total);
    else byId("tied-formula").textContent = "0: this weight only ever meets padding";
    return (
      `The gradient of weight ${name} is ${total}, the sum over ` +
      counted(products.length, "tied cell")
    );
  },
};

function transposed(rows) {
  return rows[0].map((_, column) => rows.map((row) => row[column]));
}
