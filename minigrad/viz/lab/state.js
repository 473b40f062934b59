"use strict";
// What is shown: settings, numbers, and what follows from them. No page in here either, but for the
// address, whose part behind the # says the settings, so that they can be linked.

// From Python: {limits, colours, opening}.
const given = JSON.parse(document.getElementById("given").textContent);

const WORDS = ["SAME", "VALID", "FULL"];
const PAIRS = ["image", "kernel", "stride", "dilation"]; // settings of [height, width]

// Neither the padded image nor the output is ever larger than this.
const LARGEST_SIDE = given.limits.image + 2 * given.limits.padding;

const PLAIN = { stride: [1, 1], dilation: [1, 1], numbers: {} }; // what presets begin with

const PRESETS = [
  {
    name: "The article’s example",
    image: [3, 3],
    kernel: [2, 2],
    padding: "VALID",
    numbers: {
      image: [[43, 16, 78], [34, 76, 95], [35, 8, 46]],
      kernel: [[4, 6], [7, 9]],
    },
  },
  {
    name: "Finding an edge",
    image: [5, 6],
    kernel: [3, 3],
    padding: "VALID",
    numbers: {
      image: new Array(5).fill([1, 1, 1, 9, 9, 9]),
      kernel: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    },
  },
  { name: "Same size: 3×3 on 5×5", image: [5, 5], kernel: [3, 3], padding: "SAME" },
  { name: "Even kernel: 2×2", image: [5, 5], kernel: [2, 2], padding: "SAME" },
  { name: "FULL", image: [4, 5], kernel: [3, 3], padding: "FULL" },
  { name: "Stride 2", image: [7, 7], kernel: [3, 3], stride: [2, 2], padding: "SAME" },
  { name: "Dilation 2", image: [7, 7], kernel: [3, 3], dilation: [2, 2], padding: "VALID" },
  {
    name: "Nothing square",
    image: [4, 6],
    kernel: [3, 2],
    stride: [1, 2],
    padding: [[1, 0], [2, 1]],
  },
];

/** Numbers from 0 to 1 that a seed decides (the generator is known as mulberry32). */
function randomNumbers(seed) {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Rows of numbers picked from `choices`, as many as are ever shown: growing keeps what is there. */
function drawTable(random, side, choices) {
  const pick = () => choices[Math.floor(random() * choices.length)];
  return Array.from({ length: side }, () => Array.from({ length: side }, pick));
}

/** The upper left [height, width] of a table, flat; `own` rows come first where there are any. */
function cut(table, [height, width], own = []) {
  return placesOf([height, width]).map(([row, column]) => own[row]?.[column] ?? table[row][column]);
}

/** Small whole numbers, the same for the same seed; the user's own where there are any. */
function numbersOf({ seed, numbers, image, kernel }, output) {
  const random = randomNumbers(seed);
  const positive = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const signed = [-3, -2, -1, 1, 2, 3];
  return {
    image: cut(drawTable(random, given.limits.image, positive), image, numbers.image),
    kernel: cut(drawTable(random, given.limits.kernel, signed), kernel, numbers.kernel),
    gradient: cut(drawTable(random, LARGEST_SIDE, signed), output),
  };
}

/** All that the panes show, computed at once; {refusal} where the window does not fit. */
function sceneOf(state) {
  const geometry = resolveGeometry(state);
  if (geometry.refusal) return geometry;
  const { image, kernel, gradient } = numbersOf(state, geometry.output);
  return {
    geometry,
    image,
    kernel,
    gradient,
    colours: given.colours[kernel.length],
    columns: im2col(geometry, image),
    output: forward(geometry, image, kernel),
    map: indexMap(geometry),
    dX: inputGradient(geometry, kernel, gradient),
    dK: kernelGradient(geometry, image, gradient),
  };
}

// --- the address --------------------------------------------------------------------------------

const tableText = (rows) => rows.map((row) => row.join(",")).join(";");

/** The settings as the part of an address behind the #. */
function hashOf(state) {
  const parts = PAIRS.map((name) => `${name}=${state[name].join("x")}`);
  const { padding } = state;
  parts.push(`padding=${typeof padding === "string" ? padding : tableText(padding)}`);
  parts.push(`seed=${state.seed}`);
  for (const name of ["image", "kernel"]) {
    if (state.numbers[name]) parts.push(`${name}Numbers=${tableText(state.numbers[name])}`);
  }
  parts.push(`cell=${state.position}`, `weight=${state.weight}`);
  if (state.backward) parts.push("backward");
  return `#${parts.join("&")}`;
}

/** The settings that such a part says; what it says wrongly, it does not say. */
function settingsIn(hash) {
  const said = new URLSearchParams(hash.slice(1));
  const settings = {};
  const integers = (text, low, high) => {
    const numbers = /^\d+(x\d+)?$/.test(text) ? text.split("x").map(Number) : [];
    return numbers.length && numbers.every((n) => low <= n && n <= high) ? numbers : null;
  };
  for (const name of PAIRS) {
    const numbers = integers(said.get(name) ?? "", 1, given.limits[name]);
    if (numbers?.length === 2) settings[name] = numbers;
  }
  const padding = readTable(said.get("padding") ?? "");
  const isCount = (n) => Number.isInteger(n) && n >= 0 && n <= given.limits.padding;
  if (WORDS.includes(said.get("padding"))) settings.padding = said.get("padding");
  else if (padding?.length === 2 && padding.every((p) => p.length === 2 && p.every(isCount))) {
    settings.padding = padding;
  }
  const single = { seed: "seed", cell: "position", weight: "weight" };
  for (const [name, setting] of Object.entries(single)) {
    const number = integers(said.get(name) ?? "", 0, 2 ** 31 - 1);
    if (number?.length === 1) settings[setting] = number[0];
  }
  const numbers = {};
  for (const name of ["image", "kernel"]) {
    const table = readTable(said.get(`${name}Numbers`) ?? "");
    if (table?.length) numbers[name] = table;
  }
  // An address that says a seed says all numbers; another leaves those that the page opens with.
  if (said.has("seed") || numbers.image || numbers.kernel) settings.numbers = numbers;
  settings.backward = said.has("backward");
  return settings;
}

/** Rows of numbers as people write them, a line or up to a ; each; null if some are no numbers. */
function readTable(text) {
  const lines = text.split(/[\n;]/).map((line) => line.split(/[\s,]+/).filter(Boolean));
  const rows = lines.filter((line) => line.length).map((line) => line.map(Number));
  return rows.flat().every(Number.isFinite) ? rows : null;
}
