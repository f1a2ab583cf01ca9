// The text of a query and the weights of the parts of a vector. Both are kept in the address of the page.

import { $, debounce, el } from "./dom.js";
import { changed, on, state } from "./store.js";

const EQUAL_WEIGHT = 0.5;
const STEP = 0.05;

export function setText(text) {
  state.text = text.trim();
  $("text").value = text;
}

/** Take over what the address says, once the parts of the index are known. */
export function readAddress() {
  const given = new URLSearchParams(location.search);
  const { parts, text, weights } = state.summary;
  if (text) setText(given.get("text") ?? "");
  const pairs = (given.get("weights") ?? "").split(",").map((pair) => pair.split(":"));
  const valid = pairs.filter(([name, weight]) => parts.includes(name) && Number(weight) >= 0 && Number(weight) <= 1);
  state.weights = valid.length ? Object.fromEntries(valid.map(([name, weight]) => [name, Number(weight)])) : weights;
  drawText();
  drawWeights();
}

function writeAddress() {
  const kept = new URLSearchParams();
  if (state.text) kept.set("text", state.text);
  if (state.weights) kept.set("weights", Object.entries(state.weights).map(([name, weight]) => `${name}:${weight}`).join(","));
  const query = kept.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
}

function drawText() {
  $("text").disabled = !state.summary.text;
  $("text").placeholder = state.summary.text ? "a person falls" : "not in this index";
  $("no-text").hidden = state.summary.text;
}

function weightOf(part) {
  const weights = state.weights ?? state.likedWeights;
  return weights ? (weights[part] ?? 0) : EQUAL_WEIGHT;
}

/** Show the weights that the likes have set, or null. */
export function showLikedWeights(weights) {
  state.likedWeights = weights;
  drawShares();
}

/** Draw a slider for each part; one part alone has nothing to be weighted against. */
function drawWeights() {
  const { parts } = state.summary;
  $("weights").hidden = parts.length < 2;
  $("weights-list").replaceChildren(...(parts.length < 2 ? [] : parts.map(slider)));
}

function slider(part) {
  const share = el("output");
  const range = el("input", { type: "range", min: "0", max: "1", step: String(STEP), value: String(weightOf(part)), "aria-label": `Weight of ${part}`, "data-part": part });
  range.addEventListener("input", () => {
    const weights = Object.fromEntries(state.summary.parts.map((name) => [name, weightOf(name)]));
    weights[part] = Number(range.value);
    if (Object.values(weights).every((weight) => weight === 0)) weights[part] = STEP; // something has to count
    state.weights = weights;
    drawShares();
    search();
  });
  return el("label", {}, el("span", { text: part }), range, share);
}

function drawShares() {
  const total = state.summary.parts.reduce((sum, part) => sum + weightOf(part), 0);
  for (const range of $("weights-list").querySelectorAll("input")) {
    const percent = `${Math.round((100 * weightOf(range.dataset.part)) / total)} %`;
    range.value = String(weightOf(range.dataset.part));
    range.nextSibling.textContent = percent;
    range.setAttribute("aria-valuetext", percent);
  }
}

const search = debounce(220, () => changed("query"));

$("text").addEventListener("input", debounce(350, () => {
  if ($("text").value.trim() === state.text) return;
  state.text = $("text").value.trim();
  location.hash = "find";
  changed("query");
}));
$("text-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.text = $("text").value.trim();
  changed("query");
});
$("weights-automatic").addEventListener("click", () => {
  state.weights = null;
  drawShares();
  changed("query");
});
on("query", writeAddress);
on("summary", drawShares);
