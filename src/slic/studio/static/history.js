// One history of everything that was done on this page: Z undoes, Shift+Z does it again.

import { toast } from "./dom.js";
import { changed, on, state } from "./store.js";

const MAX_ACTIONS = 500;
const MERGE_MILLISECONDS = 1500; // typing or a moving slider is one action
const QUERY_FIELDS = ["like", "unlike", "upload", "text", "weights", "scope", "clusterTitle"];
const QUERY_WORDS = {
  like: "the likes", unlike: "the unlikes", upload: "the uploaded clip", text: "the text", weights: "the weights",
  where: "the filter", lasso: "the lasso", cluster: "the cluster",
};

const done = []; // the latest last
const undone = [];
const kept = new Map(); // name -> { read, write }
let working = Promise.resolve(); // undoes one action after the other
let fallback = null; // undoes something when this page has done nothing
let restoring = false;

/**
 * Record something that was done.
 *
 * `text` names it in past tense: "Label “wave” for 3 moments". `undo` takes it back and `redo` does
 * it again. Both may be asynchronous. An error that one throws is shown, and the action is forgotten.
 * Without `redo`, Shift+Z does nothing for it. Returns the action, for `undoAction`.
 */
export function record({ text, undo, redo = null }) {
  const action = { text, undo, redo, at: performance.now() };
  undone.length = 0;
  done.push(action);
  if (done.length > MAX_ACTIONS) done.shift();
  changed("history");
  return action;
}

/** Undo the last action, whatever it was. */
export const undoLast = () => inTurn(async () => {
  const action = done.pop();
  if (action) return reverse(action, "undo", undone, "Undone");
  const text = await fallback?.();
  return toast(text ? `Undone: ${text}.` : "There is nothing to undo.");
});

/** Do again what was undone last. */
export const redoLast = () => inTurn(async () => {
  const action = undone.pop();
  if (action) return reverse(action, "redo", done, "Done again");
  return toast("There is nothing to do again.");
});

/** Undo one action, if it is still the last one. */
export function undoAction(action) {
  if (done.at(-1) === action) return undoLast();
  return toast(`“${action.text}” is no longer the last action. Press Z to undo the later ones first.`, { bad: true });
}

/** Forget an action that failed after it was recorded. */
export function forget(action) {
  for (const list of [done, undone]) if (list.includes(action)) list.splice(list.indexOf(action), 1);
  changed("history");
}

/** Set what undoes a change of an earlier visit. It returns its text, or null if there is none. */
export function whenEmpty(undo) {
  fallback = undo;
}

/** What Z would undo, or null. */
export const lastText = () => done.at(-1)?.text ?? null;

/**
 * Let `read` and `write` keep what belongs to the query but is not in `state`, such as the value of
 * an input. Undo calls `write` with what `read` returned before the change, and then `changed("query")`.
 */
export function keepInHistory(name, read, write) {
  kept.set(name, { read, write });
  if (before) before.kept[name] = read();
}

function inTurn(work) {
  working = working.then(work).catch((error) => toast(error.message, { bad: true }));
  return working;
}

async function reverse(action, way, target, word) {
  try {
    await action[way]();
    if (way === "redo" || action.redo) target.push(action);
    const back = way === "undo" ? { action: "Redo", run: redoLast } : { action: "Undo", run: undoLast };
    toast(`${word}: ${action.text}.`, way === "redo" || action.redo ? back : {});
  } finally {
    if (done.length) done.at(-1).at = -Infinity; // what comes now is an action of its own
    changed("history");
  }
}

// --- the query: every change of it is an action -----------------------------------------------

let before = null; // the query as it was recorded last

const snapshot = () => ({
  fields: Object.fromEntries(QUERY_FIELDS.map((field) => [field, structuredClone(state[field])])),
  kept: Object.fromEntries([...kept].map(([name, { read }]) => [name, read()])),
});

/** Return which parts of the query differ. */
function differing(one, other) {
  const flat = ({ fields: { scope, clusterTitle, ...rest } }) => ({ ...rest, ...scope });
  const [a, b] = [flat(one), flat(other)];
  return Object.keys(b).filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

function restore(query) {
  restoring = true;
  Object.assign(state, structuredClone(query.fields));
  for (const [name, { write }] of kept) if (name in query.kept) write(query.kept[name]);
  before = query;
  changed("query");
  restoring = false;
}

function recordQuery() {
  if (restoring || !before) return;
  const [from, to] = [before, snapshot()];
  const parts = differing(from, to);
  if (!parts.length) return;
  before = to;
  const merged = mergedInto(parts);
  if (merged) {
    merged.to = to;
    merged.at = performance.now();
    return;
  }
  const text = `change of ${parts.map((part) => QUERY_WORDS[part] ?? part).join(", ")}`;
  const action = record({ text, undo: () => restore(from), redo: () => restore(action.to) });
  Object.assign(action, { to, parts: parts.join() });
}

/** Return the last action, if it changed the same control a moment ago. */
function mergedInto(parts) {
  const last = done.at(-1);
  const continuous = ["text", "weights", "upload", "where"].includes(parts.join());
  return continuous && last?.parts === parts.join() && performance.now() - last.at < MERGE_MILLISECONDS ? last : null;
}

/** Begin to record the query. What the address of the page has set is no action. */
export function startHistory() {
  before = snapshot();
}

on("query", recordQuery);
