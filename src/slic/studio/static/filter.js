// The filter in the bar: words, controls for what the index knows of a moment, and an expression over its columns.

import { $, debounce, el, icon, toast } from "./dom.js";
import { setScope } from "./find.js";
import { chooseFolder, drawFolders, loadFacets } from "./folders.js";
import { keepInHistory } from "./history.js";
import { on, state } from "./store.js";

const MAX_LABELS_LISTED = 300;
const EMPTY = { words: "", label: "", source: "", confidence: "", folder: "", shortest: "", longest: "", from: "", to: "", where: "" };
const inputs = {
  words: "filter-text", label: "filter-label", source: "filter-source", confidence: "filter-confidence",
  shortest: "filter-shortest", longest: "filter-longest", from: "filter-from", to: "filter-to", where: "filter-where",
};
const SOURCES = { given: "labelled by a person", spread: "labelled by the classifier" };
const LABELS = { any: "labelled", none: "not labelled" };
let controls = { ...EMPTY };

const quoted = (text) => `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`;

/** Return the filters in force: the controls that make each, its condition, and its words for a chip. */
function filters() {
  const { words, label, source, confidence, folder, shortest, longest, from, to, where } = controls;
  const found = [];
  const add = (keys, condition, text) => found.push({ keys, condition, text });
  if (words) add(["words"], `(instr(lower(path), lower(${quoted(words)})) > 0 or instr(lower(label), lower(${quoted(words)})) > 0)`, `“${words}”`);
  if (label === "none") add(["label"], "label is null", LABELS.none);
  else if (label === "any") add(["label"], "label is not null", LABELS.any);
  else if (label) add(["label"], `label = ${quoted(label.slice(1))}`, `label: ${label.slice(1)}`);
  if (source) add(["source"], `source = ${quoted(source)}`, SOURCES[source]);
  if (confidence) add(["confidence"], `confidence >= ${confidence}`, `confidence from ${confidence}`);
  if (folder) add(["folder"], `instr(path, ${quoted(folder)}) = 1`, `folder: ${folder}`);
  const between = (keys, [low, high], columns, subject) => {
    const conditions = [low && `${columns[0]} >= ${low}`, high && `${columns[1]} <= ${high}`].filter(Boolean);
    const words = [low && `from ${low}`, high && `to ${high}`].filter(Boolean);
    if (conditions.length) add(keys, conditions.join(" and "), `${subject} ${words.join(" ")} s`);
  };
  between(["shortest", "longest"], [shortest, longest], ["duration", "duration"], "video");
  between(["from", "to"], [from, to], ["start_seconds", "end_seconds"], "time in the video");
  if (where) add(["where"], `(${where})`, where);
  return found;
}

const expression = () => filters().map(({ condition }) => condition).join(" and ");

function readInputs() {
  for (const [name, id] of Object.entries(inputs)) {
    const input = $(id);
    // A number that cannot be read, or is below 0, filters nothing.
    const usable = input.type !== "number" || (input.value !== "" && Number(input.value) >= 0);
    controls[name] = usable ? input.value.trim() : "";
  }
}

function fillInputs() {
  for (const [name, id] of Object.entries(inputs)) if ($(id).value.trim() !== controls[name]) $(id).value = controls[name];
  drawLabels();
}

function set(changes) {
  Object.assign(controls, changes);
  fillInputs();
  apply();
}

function apply() {
  const where = expression();
  draw();
  if (where === state.scope.where) return;
  location.hash = "find";
  setScope({ where });
}

function draw() {
  const found = filters();
  const inPanel = found.filter(({ keys }) => keys[0] !== "words").length;
  $("filter-more").classList.toggle("on", inPanel > 0);
  $("filter-more").textContent = inPanel ? `Filters · ${inPanel}` : "Filters";
  $("filters").replaceChildren(...found.map(({ keys, text }) => {
    const remove = () => set(Object.fromEntries(keys.map((key) => [key, ""])));
    return el("button", { type: "button", title: text, "aria-label": `Remove the filter ${text}`, onclick: remove }, el("bdi", { text }), icon("close"));
  }));
  $("filter-made").textContent = expression() || "none";
  $("filter-edit").disabled = $("filter-clear").disabled = !found.length;
  drawFolders(controls.folder);
}

function drawLabels() {
  const options = [["", "any or none"], ["any", LABELS.any], ["none", LABELS.none]];
  const labels = new Set(state.summary.labels.slice(0, MAX_LABELS_LISTED).map(({ label }) => label));
  if (controls.label.startsWith("=")) labels.add(controls.label.slice(1)); // it still filters, even if no moment has it any more
  for (const label of labels) options.push([`=${label}`, label]);
  $("filter-label").replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  $("filter-label").value = controls.label;
}

function openPanel(open) {
  $("filter-panel").hidden = !open;
  $("filter-more").setAttribute("aria-expanded", String(open));
  if (!open) return;
  draw();
  loadFacets().then((facets) => {
    if (!facets.seconds) return;
    $("filter-shortest").placeholder = facets.seconds[0].toFixed(1);
    $("filter-longest").placeholder = $("filter-to").placeholder = facets.seconds[1].toFixed(1);
  }).catch((error) => toast(error.message, { bad: true }));
}

for (const id of Object.values(inputs)) {
  const work = () => {
    readInputs();
    apply();
  };
  $(id).addEventListener(id === "filter-text" ? "input" : "change", id === "filter-text" ? debounce(180, work) : work);
}
chooseFolder((folder) => set({ folder }));
$("filter-edit").addEventListener("click", () => {
  const where = expression();
  controls = { ...EMPTY };
  set({ where });
  $("filter-where").focus();
});
$("filter-clear").addEventListener("click", () => set({ ...EMPTY }));
$("filter-more").addEventListener("click", () => openPanel($("filter-panel").hidden));
$("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  readInputs();
  apply();
});
$("filter").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  openPanel(false);
  document.activeElement.blur();
});
// Not on a button that its own click has removed, such as that of a folder.
document.addEventListener("click", (event) => $("filter").contains(event.target) || !event.target.isConnected || openPanel(false));
keepInHistory("filter", () => ({ ...controls }), (kept) => {
  controls = { ...kept };
  fillInputs();
  draw();
});
on("summary", () => {
  drawLabels();
  draw();
});
