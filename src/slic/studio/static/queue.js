// The view "Label": the moments that are most useful to label, one after the other.

import { $, clock, count, el, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { fileName, Grid } from "./grid.js";
import { record } from "./history.js";
import { labelTiles, openLabelling, tell } from "./labelling.js";
import { addLabel, labelAt, onPalette, showVerdicts } from "./palette.js";
import { begin, loopingVideo, releaseVideos } from "./player.js";
import { clearSelection, on, state } from "./store.js";

const SHOWN = 9; // the moment to label, and the next ones, whose videos load meanwhile
const FIXED = 4; // the next moments that a new order does not replace
const LIMIT = 24;
const VERDICTS = {
  right: "The other labels say the same.",
  wrong: "The other labels say something else. Look at these first: some labels may be wrong.",
  unknown: "No other labelled moment is near enough to say.",
};
const grid = new Grid($("checked-grid"));
let items = []; // the moments to label; the first is the one in focus
let left = 0; // moments without a label
const handled = new Set(); // labelled on this page; the studio may not know it yet
const skipped = new Set();
const shown = new Map(); // moment -> its element
let checked = null; // { verdict, label } while labelled moments are looked through
let waiting = false; // whether more moments may come, so that an empty list says nothing yet
let scopeText = null; // the scope that the items are from; null before the first answer

const visible = () => !$("view-label").hidden;
const scope = () => (state.scope.where || state.scope.lasso.length || state.scope.cluster ? state.scope : null);

/** Show the view; the moments may be from an earlier visit. */
export async function showQueue() {
  if (JSON.stringify(scope()) !== scopeText) items = [];
  draw();
  await refill();
}

/** The moment that a key acts on while the queue is shown, or null. */
export function currentInQueue() {
  if (!visible() || checked || !items.length) return null;
  return { grid: null, item: shown.get(items[0].moment), tile: items[0] };
}

// --- the order --------------------------------------------------------------------------------

let filling = false;
let again = false;

/** Ask for the next moments. The first few stay, because the user has seen them already. */
async function refill() {
  again = filling;
  if (filling) return;
  filling = true;
  try {
    await load();
  } catch (error) {
    waiting = false;
    toast(error.message, { bad: true });
  } finally {
    filling = false;
  }
  if (again) await refill();
}

async function load() {
  const [within, fixed] = [scope(), items.slice(0, FIXED).map(({ moment }) => moment)];
  const body = { ahead: [...handled, ...fixed].slice(-500), skipped: [...skipped], scope: within, limit: LIMIT };
  const response = await postJson("/api/queue", body);
  scopeText = JSON.stringify(within);
  const kept = items.filter(({ moment }) => fixed.includes(moment));
  const before = new Set(kept.map(({ moment }) => moment));
  const added = response.moments.filter(({ moment }) => !before.has(moment) && !handled.has(moment) && !skipped.has(moment));
  items = [...kept, ...added];
  left = response.left;
  waiting = false;
  drawVerdicts(response.verdicts);
  draw();
}

let timer = 0;
function refillSoon() {
  clearTimeout(timer);
  waiting = true;
  timer = setTimeout(() => visible() && refill(), 120);
}

// --- labelling --------------------------------------------------------------------------------

/** Label what is selected, else the moment of the queue, else the one with the focus or pointer. */
export function labelHere(label, here) {
  if (currentInQueue()) return label === null ? removeHere() : labelFirst(label);
  const tiles = state.selected.size ? [...state.selected.values()] : here.tile ? [here.tile] : [];
  if (!tiles.length) return toast("Select moments, or point at one, and press the digit again.");
  const action = labelTiles(tiles, label);
  clearSelection();
  return action ? tell(action) : toast("There is no label to remove.");
}

/** Label with the digit of a label. */
export function labelWithDigit(digit, here) {
  const label = labelAt(digit);
  return label === null ? toast(`There is no label ${digit} yet. N adds one.`) : labelHere(label, here);
}

/** Ask for a new label: in the queue beside the moment, elsewhere in the dialog. */
export function askLabel(tiles) {
  if (currentInQueue()) $("new-label").focus();
  else openLabelling(tiles);
}

function removeHere() {
  if (items[0].label === null) return toast("This moment has no label. S skips it.");
  return tell(labelTiles([items[0]], null));
}

function labelFirst(label) {
  const tile = items.shift();
  const leave = (sign) => {
    if (sign > 0) handled.add(tile.moment);
    else handled.delete(tile.moment);
    left -= sign;
  };
  leave(1);
  labelTiles([tile], label, {
    undone: () => {
      leave(-1);
      putBack(tile);
    },
    redone: () => {
      leave(1);
      takeOut(tile);
    },
  });
  $("queue-last").textContent = `${fileName(tile.path)}: ${label}. Z undoes it.`;
  draw();
  refillSoon();
}

/** Leave a moment out for this visit. */
export function skip() {
  if (!currentInQueue()) return;
  const tile = items[0];
  const leave = () => {
    skipped.add(tile.moment);
    takeOut(tile);
    refillSoon();
  };
  leave();
  $("queue-last").textContent = `${fileName(tile.path)}: skipped. Z undoes it.`;
  record({
    text: `Skipped ${fileName(tile.path)}, ${clock(tile.start)}`,
    undo: () => {
      skipped.delete(tile.moment);
      putBack(tile);
    },
    redo: leave,
  });
}

function putBack(tile) {
  takeOut(tile, false);
  items.unshift(tile);
  $("queue-last").textContent = "";
  if (checked) closeChecked();
  draw();
}

function takeOut(tile, redraw = true) {
  items = items.filter(({ moment }) => moment !== tile.moment);
  if (redraw) draw();
}

// --- drawing ----------------------------------------------------------------------------------

/** Draw the first moments. An element stays as long as its moment, so its video is loaded when it comes first. */
function draw() {
  if (!visible()) return;
  const now = checked ? [] : items.slice(0, SHOWN);
  const wanted = new Set(now.map(({ moment }) => moment));
  for (const [moment, element] of shown) {
    if (wanted.has(moment)) continue;
    releaseVideos(element);
    element.remove();
    shown.delete(moment);
  }
  now.forEach((tile, place) => {
    const element = shown.get(tile.moment) ?? queueElement(tile);
    shown.set(tile.moment, element);
    const video = place === 0 && element.querySelector("video[data-still]");
    if (video) begin(video); // only the first one plays, because nine would slow down every key
    if ($("queue-list").children[place] !== element) $("queue-list").insertBefore(element, $("queue-list").children[place] ?? null);
  });
  $("queue").hidden = checked !== null;
  $("queue-empty").hidden = items.length > 0 || scopeText === null || waiting;
  $("queue-skip").hidden = items.length === 0;
  $("queue-status").textContent = `${left.toLocaleString("en")} left${scope() ? " in the filter, lasso or cluster of Find" : ""}`;
}

function queueElement(tile) {
  const guess = tile.guess ? `${tile.guess}? ${Math.round(100 * tile.confidence)} %` : "";
  const element = el("li", { "data-moment": String(tile.moment) },
    el("div", { class: "frame" }, loopingVideo(tile, { still: true })),
    el("div", { class: "about" },
      el("b", { text: fileName(tile.path), title: tile.path }), el("time", { text: `${clock(tile.start)}–${clock(tile.end)}` }),
      el("small", { class: "guess", text: guess, title: "What the labels so far say, with the share of the votes" })));
  element.addEventListener("click", () => {
    takeOut(tile, false);
    items.unshift(tile);
    draw();
  });
  return element;
}

// --- right and wrong --------------------------------------------------------------------------

function drawVerdicts(verdicts) {
  $("verdict-labelled").textContent = count(verdicts.labelled, "moment") + " labelled";
  for (const verdict of Object.keys(VERDICTS)) {
    $(`verdict-${verdict}`).textContent = verdicts[verdict].toLocaleString("en");
    $(`verdict-${verdict}`).closest("button").disabled = verdicts[verdict] === 0;
  }
  $("verdict-note").hidden = verdicts.checked === verdicts.labelled;
  $("verdict-note").textContent = `Counted for ${verdicts.checked.toLocaleString("en")} of them, drawn at random.`;
  showVerdicts(verdicts.labels);
}

async function updateVerdicts() {
  drawVerdicts(await getJson("/api/verdicts"));
}

/** Show the labelled moments of a verdict, of one label or of all (null). */
async function openChecked(verdict, label = null) {
  const query = label === null ? "" : `?label=${encodeURIComponent(label)}`;
  try {
    const { moments, total } = await getJson(`/api/verdicts/${verdict}${query}`);
    checked = { verdict, label };
    draw();
    $("checked").hidden = false;
    $("checked-title").textContent = `${count(total, "moment")} ${label === null ? "" : `labelled “${label}” `}${verdict}`;
    $("checked-hint").textContent = VERDICTS[verdict];
    grid.show(moments);
    drawGuesses(moments);
    $("checked-back").focus();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function drawGuesses(moments) {
  [...$("checked-grid").children].forEach((item, place) => {
    const { guess, confidence } = moments[place];
    if (guess) item.querySelector(".frame").append(el("span", { class: "score", text: `${guess}? ${Math.round(100 * confidence)} %`, title: "What the other labels say" }));
  });
}

function closeChecked() {
  checked = null;
  $("checked").hidden = true;
  grid.show([]);
  clearSelection();
  draw();
}

for (const verdict of Object.keys(VERDICTS)) {
  $(`verdict-${verdict}`).closest("button").addEventListener("click", () => openChecked(verdict));
}
$("checked-back").addEventListener("click", () => {
  closeChecked();
  refill();
});
$("queue-skip").addEventListener("click", skip);
$("new-label-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = $("new-label").value.trim().split(/\s+/).join(" ");
  if (!label) return;
  $("new-label").value = "";
  $("new-label").blur(); // so that digits label again
  addLabel(label);
  if (currentInQueue()) labelFirst(label);
});
$("new-label").addEventListener("keydown", (event) => event.key === "Escape" && $("new-label").blur());
onPalette((label) => labelHere(label, { tile: null }), (label) => openChecked("wrong", label));
on("labels", () => visible() && (checked ? updateVerdicts() : refillSoon()));
on("relabelled", () => {
  items = [];
  handled.clear();
  if (visible()) refill();
});
