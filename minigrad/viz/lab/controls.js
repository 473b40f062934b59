"use strict";
// What the user sets, and what then is shown.

const state = {
  ...given.opening,
  backward: false,
  position: 0, // the chosen output cell
  weight: 0, // the chosen weight
};
let scene = null;
let player = null; // the timer while the window moves by itself

const AXES = ["height", "width"];
const SIDES = ["top", "bottom", "left", "right"];

// --- showing --------------------------------------------------------------------------------------

/** New settings: compute, and build every pane that is to be seen. */
function change(settings) {
  pause();
  Object.assign(state, settings);
  scene = sceneOf(state);
  showSettings();
  const refused = Boolean(scene.refusal);
  byId("refusal").hidden = !refused;
  byId("forward").hidden = refused || state.backward;
  byId("backward").hidden = refused || !state.backward;
  byId("moves").hidden = refused;
  if (refused) {
    byId("refusal-text").textContent = `${scene.refusal[0].toUpperCase()}${scene.refusal.slice(1)}.`;
    return;
  }
  state.position = Math.min(state.position, scene.output.length - 1);
  state.weight = Math.min(state.weight, scene.kernel.length - 1);
  side().build(scene);
  move({ position: state.position });
}

/** Another output cell or another weight. */
function choose(chosen) {
  pause();
  move(chosen);
}

function move(chosen) {
  Object.assign(state, chosen);
  const sentences = side().show(scene, state.position, state.weight);
  byId("spoken").textContent = sentences[Object.keys(chosen)[0]];
  rememberInAddress();
}

function side() {
  return state.backward ? backwardSide : forwardSide;
}

/** Bring every control to what is set. */
function showSettings() {
  for (const name of PAIRS) {
    AXES.forEach((axis, index) => {
      byId(`${name}-${axis}`).value = state[name][index];
      byId(`${name}-${axis}-value`).textContent = state[name][index];
    });
  }
  const pads = resolvePadding(state.padding, state.kernel, state.dilation);
  SIDES.forEach((name, index) => {
    byId(`padding-${name}`).value = pads.flat()[index];
  });
  for (const radio of document.querySelectorAll("[name=padding]")) {
    radio.checked = radio.value === (typeof state.padding === "string" ? state.padding : "own");
  }
  for (const radio of document.querySelectorAll("[name=direction]")) {
    radio.checked = (radio.value === "backward") === state.backward;
  }
  byId("sizes").replaceChildren(
    ...AXES.map((axis, index) => element("li", "", sizeFormula(axis, index, pads[index]))),
  );
}

/** How one side of the output comes about. */
function sizeFormula(axis, index, [before, after]) {
  const [size, step] = [state.image[index], state.stride[index]];
  const span = dilatedSize(state.kernel[index], state.dilation[index]);
  const positions = outputSize(size, state.kernel[index], step, state.dilation[index], [before, after]);
  return `${axis}: ⌊(${size}+${before}+${after}−${span})/${step}⌋+1 = ${numberText(positions)}`;
}

// --- making the controls --------------------------------------------------------------------------

function buildSliders() {
  for (const name of PAIRS) {
    const row = byId("sliders").appendChild(element("div", "slider-row"));
    row.append(element("span", "slider-name", name));
    AXES.forEach((axis, index) => row.append(slider(name, axis, index)));
  }
}

/** A slider for one side of a pair, with its number. */
function slider(name, axis, index) {
  const label = element("label", "slider");
  const input = element("input", "");
  Object.assign(input, { type: "range", min: 1, max: given.limits[name], id: `${name}-${axis}` });
  input.setAttribute("aria-label", `${name} ${axis}`);
  const value = element("output", "slider-value");
  value.id = `${name}-${axis}-value`;
  input.addEventListener("input", () => {
    const pair = [...state[name]];
    pair[index] = Number(input.value);
    change({ [name]: pair });
  });
  label.append(element("span", "slider-axis", axis), value, input);
  return label;
}

function listenToPadding() {
  const numbers = SIDES.map((name) => byId(`padding-${name}`));
  for (const input of numbers) {
    input.max = given.limits.padding;
    // A side set by hand makes the padding the user's own.
    input.addEventListener("change", () => change({ padding: paddingIn(numbers) }));
  }
  for (const radio of document.querySelectorAll("[name=padding]")) {
    radio.addEventListener("change", () => {
      change({ padding: radio.value === "own" ? paddingIn(numbers) : radio.value });
    });
  }
}

/** The four numbers of cells, brought into their limits: [[top, bottom], [left, right]]. */
function paddingIn(inputs) {
  const [top, bottom, left, right] = inputs.map((input) => {
    const cells = Math.round(Number(input.value));
    return Math.min(given.limits.padding, Math.max(0, cells));
  });
  return [[top, bottom], [left, right]];
}

function buildPresets() {
  for (const { name, ...settings } of PRESETS) {
    const button = element("button", "preset", name);
    button.type = "button";
    button.addEventListener("click", () => {
      change({ ...PLAIN, ...settings, position: 0, weight: 0 });
    });
    byId("presets").append(button);
  }
}

/** Text fields for the numbers of image and kernel, a line per row. */
function listenToNumbers() {
  byId("new-numbers").addEventListener("click", () => {
    change({ seed: state.seed + 1, numbers: {} });
  });
  byId("own-numbers").addEventListener("toggle", showNumbers);
  byId("apply-numbers").addEventListener("click", applyNumbers);
}

function showNumbers() {
  const { image, kernel } = numbersOf(state, [1, 1]);
  for (const [name, values] of Object.entries({ image, kernel })) {
    const [rows, columns] = state[name];
    const lines = Array.from({ length: rows }, (_, row) =>
      values.slice(row * columns, (row + 1) * columns).join(" "),
    );
    byId(`${name}-numbers`).value = lines.join("\n");
  }
  byId("numbers-refusal").textContent = "";
}

/** Take the numbers in the text fields, and the sizes they have; or say what is wrong with them. */
function applyNumbers() {
  const settings = { numbers: {} };
  for (const name of ["image", "kernel"]) {
    const table = readTable(byId(`${name}-numbers`).value);
    const problem = problemOf(table, name);
    byId("numbers-refusal").textContent = problem ?? "";
    if (problem) return;
    settings.numbers[name] = table;
    settings[name] = [table.length, table[0].length];
  }
  change(settings);
}

/** What keeps a table from being an image or a kernel; null if nothing does. */
function problemOf(table, name) {
  const most = given.limits[name];
  if (!table) return `The ${name} holds something that is no number; put spaces between numbers.`;
  if (!table.length) return `The ${name} is empty; it needs at least one number.`;
  if (table.some((row) => row.length !== table[0].length)) {
    return `The rows of the ${name} have ${table.map((row) => row.length).join(", ")} numbers; make them equal.`;
  }
  if (Math.max(table.length, table[0].length) > most) {
    return `The ${name} is ${table.length}×${table[0].length}; at most ${most} rows and columns can be read here.`;
  }
  return null;
}

// --- moving by itself -----------------------------------------------------------------------------

const MILLISECONDS_PER_STEP = 700;

function play() {
  step(1);
  player = setInterval(() => step(1), MILLISECONDS_PER_STEP);
  byId("play").textContent = "Pause";
}

function pause() {
  clearInterval(player);
  player = null;
  byId("play").textContent = "Play";
}

/** The next output cell or the one before; after the last comes the first. */
function step(by) {
  const count = scene.output.length;
  move({ position: (state.position + by + count) % count });
}

function listenToMoves() {
  byId("play").addEventListener("click", () => (player === null ? play() : pause()));
  byId("previous").addEventListener("click", () => (pause(), step(-1)));
  byId("next").addEventListener("click", () => (pause(), step(1)));
  for (const radio of document.querySelectorAll("[name=direction]")) {
    radio.addEventListener("change", () => change({ backward: radio.value === "backward" }));
  }
  listenToMap(byId("im2col-map"), (row) => choose({ position: row }));
  listenToMap(byId("matrix-map"), (row) => choose({ position: row }));
  listenToMap(byId("transposed-map"), (row, column) => choose({ position: column }));
  // A cell of the matrix is an output cell and, where one is in it, a weight.
  listenToMap(byId("tied-map"), (row, column) => {
    const weight = scene.map[row][column];
    if (weight >= 0) choose({ weight, position: row });
  });
}

// --- light and dark -------------------------------------------------------------------------------

function listenToTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const use = (theme) => {
    document.documentElement.dataset.theme = theme;
    byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  };
  const follow = () => use(dark.matches ? "dark" : "light");
  dark.addEventListener("change", follow);
  byId("theme").addEventListener("click", () => {
    dark.removeEventListener("change", follow); // the user has chosen
    use(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  });
  follow();
}

// --- the address ----------------------------------------------------------------------------------

const MILLISECONDS_OF_REST = 200;
let rest = null;

/** Write the address once nothing has moved for a while; browsers allow only so many a second. */
function rememberInAddress() {
  clearTimeout(rest);
  const write = () => history.replaceState(null, "", hashOf(state));
  rest = setTimeout(write, MILLISECONDS_OF_REST);
}

/** Show what the address says, or else what the page was written to open with. */
function followAddress() {
  if (location.hash) change({ ...given.opening, ...settingsIn(location.hash) });
  else change({});
}

buildSliders();
buildPresets();
listenToPadding();
listenToNumbers();
listenToMoves();
listenToTheme();
window.addEventListener("hashchange", followAddress);
byId("settings").open = !matchMedia("(max-width: 60rem)").matches;
followAddress();
