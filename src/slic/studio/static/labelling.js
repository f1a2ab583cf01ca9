// Labelling moments as one change, and undoing the last change.

import { $, count, el, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { relabel } from "./grid.js";
import { record, undoAction, undoLast, whenEmpty } from "./history.js";
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
    const { moments, change } = await setLabels({ ...body, label });
    if (target.tiles) relabel(new Set(body.moments), label);
    const text = describe(label, moments);
    const action = moments ? recordLabels(text, { ...body, label }, change) : null;
    toast(`${text}.`, action ? { action: "Undo", run: () => undoAction(action) } : {});
    clearSelection();
    await reloadLabels(!target.tiles);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

const describe = (label, moments) =>
  label === null ? `Label removed from ${count(moments, "moment")}` : `${count(moments, "moment")} labelled “${label}”`;

const setLabels = (body) => postJson("/api/labels", body);

/** Record a change of labels that the studio has made, so that Z undoes it. */
function recordLabels(text, body, change) {
  let last = change;
  return record({
    text,
    undo: async () => {
      await postJson("/api/undo", { change: last });
      await reloadLabels(true);
    },
    redo: async () => {
      ({ change: last } = await setLabels(body));
      await reloadLabels(true);
    },
  });
}

/** Undo the last label change of an earlier visit, or of the command. */
async function undoEarlier() {
  const { undone } = await postJson("/api/undo", {});
  if (!undone) return null;
  await reloadLabels(true);
  return `labels of ${count(undone, "moment")}`;
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
$("undo").addEventListener("click", () => undoLast());
whenEmpty(undoEarlier);
