"use strict";
// The arithmetic of one convolution of one grey image by one filter. No page in here: numbers in,
// numbers out, so that all of it can be compared with the library.
//
// Images, kernels and outputs are flat arrays in row-major order. A `geometry` says how they fold:
// {image, kernel, stride, dilation, output} are [height, width], pads is [[top, bottom], [left,
// right]], and taps[p][w] is the image cell that weight w meets at output cell p, or -1 where it
// meets padding. Everything below is a loop over these taps.

/** How many cells a kernel spans when neighbouring weights lie `dilation` cells apart. */
function dilatedSize(kernel, dilation) {
  return (kernel - 1) * dilation + 1;
}

/** What a padding word adds along one axis, [before, after]; the odd cell of SAME comes after. */
function modePadding(mode, kernel, dilation) {
  const reach = dilatedSize(kernel, dilation) - 1;
  const before = Math.floor(reach / 2);
  return { VALID: [0, 0], SAME: [before, reach - before], FULL: [reach, reach] }[mode];
}

/** A padding word or [[top, bottom], [left, right]] as the latter. */
function resolvePadding(padding, kernel, dilation) {
  if (typeof padding !== "string") return padding;
  return [0, 1].map((axis) => modePadding(padding, kernel[axis], dilation[axis]));
}

/** How many positions a window has along one axis; below 1 where it does not fit. */
function outputSize(size, kernel, stride, dilation, [before, after]) {
  return Math.floor((size + before + after - dilatedSize(kernel, dilation)) / stride) + 1;
}

/** Why there is no such convolution, as a sentence; null where there is one. */
function refusalOf({ image, kernel, stride, dilation }, pads) {
  for (const axis of [0, 1]) {
    if (outputSize(image[axis], kernel[axis], stride[axis], dilation[axis], pads[axis]) >= 1) {
      continue;
    }
    const [before, after] = pads[axis];
    return (
      `the window does not fit: ${["height", "width"][axis]} ${image[axis]} padded by ${before} ` +
      `before and ${after} after makes ${image[axis] + before + after} cells, and kernel ` +
      `${kernel[axis]} with dilation ${dilation[axis]} spans ` +
      `${dilatedSize(kernel[axis], dilation[axis])}`
    );
  }
  return null;
}

/** The geometry of {image, kernel, stride, dilation, padding}, or {refusal} where none fits. */
function resolveGeometry(settings) {
  const { image, kernel, stride, dilation } = settings;
  const pads = resolvePadding(settings.padding, kernel, dilation);
  const refusal = refusalOf(settings, pads);
  if (refusal) return { refusal };
  const output = [0, 1].map((axis) =>
    outputSize(image[axis], kernel[axis], stride[axis], dilation[axis], pads[axis]),
  );
  const geometry = { image, kernel, stride, dilation, pads, output };
  geometry.taps = tapsOf(geometry);
  return geometry;
}

/** Rows of a grid of [height, width] in row-major order: [[0, 0], [0, 1], ...]. */
function placesOf([height, width]) {
  return Array.from({ length: height * width }, (_, cell) => [
    Math.floor(cell / width),
    cell % width,
  ]);
}

/** Where a weight lies at an output cell, [row, column] counted from the image's first cell. */
function tapPlace({ stride, dilation, pads }, outputPlace, weightPlace) {
  return [0, 1].map(
    (axis) => outputPlace[axis] * stride[axis] + weightPlace[axis] * dilation[axis] - pads[axis][0],
  );
}

/** The image cell that each weight meets at each output cell, -1 for padding. */
function tapsOf(geometry) {
  const [height, width] = geometry.image;
  return placesOf(geometry.output).map((outputPlace) =>
    placesOf(geometry.kernel).map((weightPlace) => {
      const [row, column] = tapPlace(geometry, outputPlace, weightPlace);
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      return inside ? row * width + column : -1;
    }),
  );
}

/** The windows as rows: [output cell][weight], with zeros for padding. */
function im2col({ taps }, image) {
  return taps.map((row) => row.map((cell) => (cell < 0 ? 0 : image[cell])));
}

/** The convolution: every window times the kernel, added up. */
function forward(geometry, image, kernel) {
  return im2col(geometry, image).map((row) => sum(row.map((value, w) => value * kernel[w])));
}

/** Which weight is in which cell of the matrix, [output cell][image cell]; -1 is none. */
function indexMap({ taps, image }) {
  return taps.map((row) => {
    const weights = new Array(image[0] * image[1]).fill(-1);
    row.forEach((cell, w) => {
      if (cell >= 0) weights[cell] = w;
    });
    return weights;
  });
}

/** The matrix that, times the flattened image, is the flattened output. */
function matrixOf(geometry, kernel) {
  return indexMap(geometry).map((row) => row.map((w) => (w < 0 ? 0 : kernel[w])));
}

/** dX from the gradients of the first `count` output cells: what the windows give back, added up. */
function inputGradient({ taps, image }, kernel, gradient, count = taps.length) {
  const dX = new Array(image[0] * image[1]).fill(0);
  for (let p = 0; p < count; p += 1) {
    taps[p].forEach((cell, w) => {
      if (cell >= 0) dX[cell] += gradient[p] * kernel[w];
    });
  }
  return dX;
}

/** The cells tied to weight w, with their products: {position, cell, image, gradient}. */
function tiedProducts({ taps }, image, gradient, w) {
  return taps
    .map((row, p) => ({ position: p, cell: row[w], image: image[row[w]], gradient: gradient[p] }))
    .filter(({ cell }) => cell >= 0);
}

/** dK: for every weight the products of its tied cells, added up. */
function kernelGradient(geometry, image, gradient) {
  return geometry.taps[0].map((_, w) =>
    sum(tiedProducts(geometry, image, gradient, w).map((product) => product.image * product.gradient)),
  );
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
