// The filter in the bar: words, a name, or an expression of the index's own language.

import { $, el, later } from "./dom.js";
import { narrow } from "./find.js";
import { on, state } from "./store.js";

const quoted = (text) => `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`;

function expression() {
  const parts = [];
  const words = $("filter-text").value.trim();
  const name = $("filter-name").value;
  const where = $("filter-where").value.trim();
  if (words) parts.push(`(instr(lower(path), lower(${quoted(words)})) > 0 or instr(lower(name), lower(${quoted(words)})) > 0)`);
  if (name === "none") parts.push("name is null");
  else if (name === "any") parts.push("name is not null");
  else if (name.startsWith("=")) parts.push(`name = ${quoted(name.slice(1))}`);
  if (where) parts.push(`(${where})`);
  return parts.join(" and ");
}

function apply() {
  const where = expression();
  $("filter-more").classList.toggle("on", Boolean($("filter-name").value || $("filter-where").value.trim()));
  if (where === state.within.where) return;
  location.hash = "find";
  narrow({ where });
}

function drawNames() {
  const select = $("filter-name");
  const before = select.value;
  const options = [["", "any or none"], ["any", "named"], ["none", "not named"]];
  const names = new Set(state.about.names.slice(0, 300).map(({ name }) => name));
  if (before.startsWith("=")) names.add(before.slice(1)); // it filters, though the last of this name may be gone
  for (const name of names) options.push([`=${name}`, name]);
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  select.value = before;
}

function unfold(open) {
  $("filter-panel").hidden = !open;
  $("filter-more").setAttribute("aria-expanded", String(open));
}

$("filter-text").addEventListener("input", later(180, apply));
$("filter-name").addEventListener("change", apply);
$("filter-where").addEventListener("change", apply);
$("filter-more").addEventListener("click", () => unfold($("filter-panel").hidden));
$("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  apply();
});
$("filter").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  unfold(false);
  document.activeElement.blur();
});
document.addEventListener("click", (event) => $("filter").contains(event.target) || unfold(false));
on("about", drawNames);
