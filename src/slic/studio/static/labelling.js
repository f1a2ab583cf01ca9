// Labelling moments as one change: by digits, by the dialog, or all moments of a scope.

import { $, count, el, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { relabel } from "./grid.js";
import { forget, record, undoAction, undoLast, whenEmpty } from "./history.js";
import { addLabel, countLabel } from "./palette.js";
import { changed, clearSelection, state } from "./store.js";

const MAX_SUGGESTIONS = 24;
let target = null; // { tiles } or { scope }
let writing = Promise.resolve(); // the studio gets one change after the other

const inOrder = (work) => (writing = writing.catch(() => {}).then(work));
const setLabels = (body) => inOrder(() => postJson("/api/labels", body));
const undoChange = (change) => inOrder(() => postJson("/api/undo", { change }));

const describe = (label, moments) =>
  label === null ? `Label removed from ${count(moments, "moment")}` : `${count(moments, "moment")} labelled “${label}”`;

/**
 * Label moments as one change, or remove their labels (null). The page shows it at once.
 *
 * `undone` and `redone` are called after that. Returns the action, or null if nothing changes.
 */
export function labelTiles(tiles, label, { undone = () => {}, redone = () => {} } = {}) {
  const before = tiles.map((tile) => tile.label);
  const number = label === null ? before.filter((one) => one !== null).length : tiles.length;
  if (!number) return null;
  const moments = tiles.map((tile) => tile.moment);
  const show = (labels) => tiles.forEach((tile, i) => showLabel(tile, labels[i]));
  const after = tiles.map(() => label);
  let sent = setLabels({ moments, label });
  const action = record({
    text: describe(label, number),
    undo: async () => {
      await undoChange((await sent).change);
      show(before);
      undone();
      reloadSoon();
    },
    redo: async () => {
      sent = setLabels({ moments, label });
      await sent;
      show(after);
      redone();
      reloadSoon();
    },
  });
  show(after);
  sent.then(reloadSoon, (error) => {
    forget(action);
    show(before);
    undone();
    toast(error.message, { bad: true });
  });
  return action;
}

function showLabel(tile, label) {
  countLabel(tile.label, -1);
  countLabel(label, 1);
  tile.label = label;
  relabel(new Set([tile.moment]), label);
}

/** Say what was done, with a button that undoes it. */
export function tell(action) {
  toast(`${action.text}.`, { action: "Undo", run: () => undoAction(action) });
}

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

function apply(label) {
  $("labelling").close();
  if (target.scope) return applyToScope(target.scope, label);
  if (label !== null) addLabel(label);
  const action = labelTiles(target.tiles, label);
  clearSelection();
  return action ? tell(action) : toast(`${describe(label, 0)}.`);
}

async function applyToScope(scope, label) {
  const body = { scope, label };
  try {
    let last = await setLabels(body);
    const reload = () => reloadLabels(true);
    if (last.moments) {
      tell(record({
        text: describe(label, last.moments),
        undo: () => undoChange(last.change).then(reload),
        redo: async () => {
          last = await setLabels(body);
          await reload();
        },
      }));
    } else toast(`${describe(label, 0)}.`);
    clearSelection();
    await reload();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** Record labels that the studio has set, such as an import, so that Z undoes them. */
export async function recordChange(text, change) {
  const action = record({ text, undo: () => undoChange(change).then(() => reloadLabels(true)) });
  await reloadLabels(true);
  return action;
}

/** Undo the last label change of an earlier visit, or of the command. */
async function undoEarlier() {
  const { undone } = await undoChange(null);
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

let reloading = 0;
function reloadSoon() {
  clearTimeout(reloading);
  reloading = setTimeout(() => reloadLabels(false).catch((error) => toast(error.message, { bad: true })), 300);
}

$("labelling").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = $("labelling-input").value.trim();
  if (label) apply(label.split(/\s+/).join(" "));
});
$("labelling-input").addEventListener("input", showSuggestions);
$("labelling-remove").addEventListener("click", () => apply(null));
$("labelling-cancel").addEventListener("click", () => $("labelling").close());
$("undo").addEventListener("click", () => undoLast());
whenEmpty(undoEarlier);
