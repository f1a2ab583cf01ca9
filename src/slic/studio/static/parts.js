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
  const weights = state.weights ?? state.weighing?.weights;
  return weights ? (weights[part] ?? 0) : EQUAL_WEIGHT;
}

function percents() {
  const total = state.summary.parts.reduce((sum, part) => sum + weightOf(part), 0);
  return Object.fromEntries(state.summary.parts.map((part) => [part, Math.round((100 * weightOf(part)) / total)]));
}

/** Show the weights that the last search has used: `weights`, and `from` what; null without a search. */
export function showWeighing(weighing) {
  state.weighing = weighing;
  drawShares();
}

/** Draw one slider between two parts, or one for each of more. One part alone has nothing to be weighted against. */
function drawWeights() {
  const { parts } = state.summary;
  $("weights").hidden = parts.length < 2;
  if (parts.length < 2) return;
  $("weights-list").replaceChildren(...(parts.length === 2 ? [balance(...parts)] : parts.map(slider)));
  drawShares();
}

function balance(left, right) {
  const range = weightRange(`Balance between ${left} and ${right}`, () => {
    const weight = Number(range.value);
    return { [left]: Number((1 - weight).toFixed(2)), [right]: weight };
  });
  return el("div", { class: "balance" }, el("span", { text: left, title: left }), el("span", { text: right, title: right }), range, el("output"), el("output"));
}

function slider(part) {
  const range = weightRange(`Weight of ${part}`, () => {
    const weights = Object.fromEntries(state.summary.parts.map((name) => [name, weightOf(name)]));
    weights[part] = Number(range.value);
    if (Object.values(weights).every((weight) => weight === 0)) weights[part] = STEP; // something has to count
    return weights;
  });
  range.dataset.part = part;
  return el("label", {}, el("span", { text: part, title: part }), range, el("output"));
}

/** A slider that searches with what `read` returns. */
function weightRange(label, read) {
  const range = el("input", { type: "range", min: "0", max: "1", step: String(STEP), "aria-label": label });
  range.addEventListener("input", () => {
    state.weights = read();
    drawShares();
    search();
  });
  return range;
}

function drawShares() {
  const { parts } = state.summary;
  if (parts.length < 2) return;
  const share = percents();
  for (const range of $("weights-list").querySelectorAll("input")) {
    const part = range.dataset.part ?? parts[1];
    const total = range.dataset.part ? 1 : weightOf(parts[0]) + weightOf(parts[1]);
    range.value = String(weightOf(part) / total);
    range.setAttribute("aria-valuetext", range.dataset.part ? `${share[part]} %` : parts.map((name) => `${name} ${share[name]} %`).join(", "));
  }
  $("weights-list").querySelectorAll("output").forEach((output, at) => (output.textContent = `${share[parts[at]]} %`));
  $("weights-automatic").hidden = !state.weights;
  $("weights-source").textContent = sourceWords();
}

/** Who has set the weights. */
function sourceWords() {
  if (state.weights) return "set by you";
  if (!state.weighing) return "automatic";
  const likes = state.like.length + (state.upload ? 1 : 0);
  return { likes: `from your ${likes} likes`, labels: "from the labels", equal: "equal" }[state.weighing.from] ?? "";
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
on("query", () => {
  if ($("text").value.trim() !== state.text) $("text").value = state.text; // undone
  drawShares();
  writeAddress();
});
on("summary", drawShares);
