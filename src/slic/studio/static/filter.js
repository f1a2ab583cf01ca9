// The filter in the bar: words, a label, or an expression over the index's columns.

import { $, debounce, el } from "./dom.js";
import { setScope } from "./find.js";
import { on, state } from "./store.js";

const MAX_LABELS_LISTED = 300;
const quoted = (text) => `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`;

function expression() {
  const parts = [];
  const words = $("filter-text").value.trim();
  const label = $("filter-label").value;
  const where = $("filter-where").value.trim();
  if (words) parts.push(`(instr(lower(path), lower(${quoted(words)})) > 0 or instr(lower(label), lower(${quoted(words)})) > 0)`);
  if (label === "none") parts.push("label is null");
  else if (label === "any") parts.push("label is not null");
  else if (label.startsWith("=")) parts.push(`label = ${quoted(label.slice(1))}`);
  if (where) parts.push(`(${where})`);
  return parts.join(" and ");
}

function apply() {
  const where = expression();
  $("filter-more").classList.toggle("on", Boolean($("filter-label").value || $("filter-where").value.trim()));
  if (where === state.scope.where) return;
  location.hash = "find";
  setScope({ where });
}

function drawLabels() {
  const select = $("filter-label");
  const before = select.value;
  const options = [["", "any or none"], ["any", "labelled"], ["none", "not labelled"]];
  const labels = new Set(state.summary.labels.slice(0, MAX_LABELS_LISTED).map(({ label }) => label));
  if (before.startsWith("=")) labels.add(before.slice(1)); // it still filters, even if no moment has it any more
  for (const label of labels) options.push([`=${label}`, label]);
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  select.value = before;
}

function openPanel(open) {
  $("filter-panel").hidden = !open;
  $("filter-more").setAttribute("aria-expanded", String(open));
}

$("filter-text").addEventListener("input", debounce(180, apply));
$("filter-label").addEventListener("change", apply);
$("filter-where").addEventListener("change", apply);
$("filter-more").addEventListener("click", () => openPanel($("filter-panel").hidden));
$("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  apply();
});
$("filter").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  openPanel(false);
  document.activeElement.blur();
});
document.addEventListener("click", (event) => $("filter").contains(event.target) || openPanel(false));
on("summary", drawLabels);
