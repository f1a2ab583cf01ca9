// Naming moments, one step for however many, and taking the last step back.

import { $, count, el, toast } from "./dom.js";
import { get, post } from "./api.js";
import { rename } from "./grid.js";
import { changed, clearSelection, state } from "./store.js";

let target = null; // { tiles } or { within, total, title }

/** Ask for the name of some moments. */
export function openNaming(tiles) {
  if (tiles.length) open({ tiles }, `Name ${count(tiles.length, "moment")}`, common(tiles));
}

/** Ask for the name of all moments within a lasso or cluster. */
export function openNamingWithin(within, total, name = "") {
  open({ within, total }, `Name ${count(total, "moment")}`, name);
}

function common(tiles) {
  const names = new Set(tiles.map((tile) => tile.name));
  return names.size === 1 ? [...names][0] ?? "" : "";
}

function open(what, title, name) {
  target = what;
  $("naming-title").textContent = title;
  $("naming-input").value = name;
  showKnown();
  $("naming").showModal();
  $("naming-input").select();
}

function showKnown() {
  const typed = $("naming-input").value.trim().toLowerCase();
  const fitting = state.about.names.filter(({ name }) => name.toLowerCase().includes(typed));
  const shown = fitting.length ? fitting : state.about.names;
  $("naming-known").replaceChildren(
    ...shown.slice(0, 24).map(({ name }) => el("button", { type: "button", text: name, onclick: () => give(name) })),
  );
}

async function give(name) {
  $("naming").close();
  const body = target.tiles ? { moments: target.tiles.map((tile) => tile.moment) } : { within: target.within };
  try {
    const { named, batch } = await post("/api/names", { ...body, name });
    if (target.tiles) rename(new Set(body.moments), name);
    const done = name === null ? `The name of ${count(named, "moment")} is taken away.` : `${count(named, "moment")} named “${name}”.`;
    toast(done, named ? { action: "Undo", run: () => undo(batch) } : {});
    clearSelection();
    await refreshNames(!target.tiles);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** Take the last naming back; given a batch, only if it is the last. */
export async function undo(batch = null) {
  try {
    const { undone } = await post("/api/undo", { batch });
    toast(undone ? `Undone: ${count(undone, "moment")}.` : "There is nothing to undo.");
    if (undone) await refreshNames(true);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function refreshNames(all) {
  state.about = await get("/api/about");
  changed("about");
  changed(all ? "renamed" : "names");
}

$("naming").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("naming-input").value.trim();
  if (name) give(name);
});
$("naming-input").addEventListener("input", showKnown);
$("naming-remove").addEventListener("click", () => give(null));
$("naming-cancel").addEventListener("click", () => $("naming").close());
$("undo").addEventListener("click", () => undo());
