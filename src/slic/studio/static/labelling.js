// Labelling moments as one change, and undoing the last change.

import { $, count, el, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { relabel } from "./grid.js";
import { changed, clearSelection, state } from "./store.js";

const MAX_SUGGESTIONS = 24;
let target = null; // { tiles } or { scope }

/** Ask for the label of some moments. */
export function openLabelling(tiles) {
  if (tiles.length) open({ tiles }, tiles.length, commonLabel(tiles));
}

/** Ask for the label of all moments in a scope. */
export function openScopeLabelling(scope, total, label = "") {
  open({ scope }, total, label);
}

function commonLabel(tiles) {
  const labels = new Set(tiles.map((tile) => tile.label));
  return labels.size === 1 ? [...labels][0] ?? "" : "";
}

function open(what, total, label) {
  target = what;
  $("labelling-title").textContent = `Label ${count(total, "moment")}`;
  $("labelling-input").value = label;
  showSuggestions();
  $("labelling").showModal();
  $("labelling-input").select();
}

function showSuggestions() {
  const typed = $("labelling-input").value.trim().toLowerCase();
  const matching = state.summary.labels.filter(({ label }) => label.toLowerCase().includes(typed));
  const suggestions = matching.length ? matching : state.summary.labels;
  $("labelling-suggestions").replaceChildren(
    ...suggestions.slice(0, MAX_SUGGESTIONS).map(({ label }) => el("button", { type: "button", text: label, onclick: () => apply(label) })),
  );
}

async function apply(label) {
  $("labelling").close();
  const body = target.tiles ? { moments: target.tiles.map((tile) => tile.moment) } : { scope: target.scope };
  try {
    const { moments, change } = await postJson("/api/labels", { ...body, label });
    if (target.tiles) relabel(new Set(body.moments), label);
    const text = label === null ? `Label removed from ${count(moments, "moment")}.` : `${count(moments, "moment")} labelled “${label}”.`;
    toast(text, moments ? { action: "Undo", run: () => undo(change) } : {});
    clearSelection();
    await reloadLabels(!target.tiles);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** Undo the last label change; given a change, only if it is still the last. */
export async function undo(change = null) {
  try {
    const { undone } = await postJson("/api/undo", { change });
    toast(undone ? `Undone for ${count(undone, "moment")}.` : "There is nothing to undo.");
    if (undone) await reloadLabels(true);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** Reload the list of labels; `all` tells that any moment may have changed, not only those in sight. */
async function reloadLabels(all) {
  state.summary = await getJson("/api/summary");
  changed("summary");
  changed(all ? "relabelled" : "labels");
}

$("labelling").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = $("labelling-input").value.trim();
  if (label) apply(label);
});
$("labelling-input").addEventListener("input", showSuggestions);
$("labelling-remove").addEventListener("click", () => apply(null));
$("labelling-cancel").addEventListener("click", () => $("labelling").close());
$("undo").addEventListener("click", () => undo());
