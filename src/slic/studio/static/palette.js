// The palette: the labels in an order that stays, with the digits of the first nine.

import { $, el, icon } from "./dom.js";
import { changed, on, state } from "./store.js";

const DIGITS = 9;
const store = `slic-palette-${document.querySelector('meta[name="slic-index"]').content}`;
let order = null; // names, in the order of the digits; null before the labels are known
let pinned = new Set(); // these stay first when the others are sorted
let verdicts = new Map(); // label -> { right, wrong, unknown }
let choose = () => {}; // what a click on a label does
let showWrong = () => {};

/** Set what a click on a label does, and one on its verdicts. */
export function onPalette(chosen, wrong) {
  choose = chosen;
  showWrong = wrong;
}

/** The name of the label with a digit from 1 to 9, or null. */
export const labelAt = (digit) => order?.[digit - 1] ?? null;

const countOf = (name) => state.summary.labels.find(({ label }) => label === name)?.moments ?? 0;

function readOrder() {
  try {
    const kept = JSON.parse(localStorage.getItem(store)) ?? {};
    const known = new Set(state.summary.labels.map(({ label }) => label));
    pinned = new Set((kept.pinned ?? []).filter((name) => typeof name === "string"));
    return (kept.order ?? []).filter((name) => known.has(name) || pinned.has(name));
  } catch {
    return []; // not written by this page
  }
}

function keep() {
  try {
    localStorage.setItem(store, JSON.stringify({ order, pinned: [...pinned] }));
  } catch {
    // The browser keeps nothing, or has no space. The order holds for this visit.
  }
}

/** Append labels that are new. No label changes its place, not even one that no moment has any more. */
function takeIn() {
  order ??= readOrder();
  const added = state.summary.labels.map(({ label }) => label).filter((name) => !order.includes(name));
  order.push(...added);
  if (added.length) keep();
  draw();
}

/** Add a label that no moment has yet. */
export function addLabel(name) {
  if (order.includes(name)) return;
  order.push(name);
  keep();
  draw();
}

/** Count moments that got or lost a label, until the studio has counted. */
export function countLabel(name, difference) {
  if (name === null) return;
  const entry = state.summary.labels.find(({ label }) => label === name);
  if (entry) entry.moments += difference;
  else state.summary.labels.push({ label: name, moments: difference });
  state.summary.labels = state.summary.labels.filter(({ moments }) => moments > 0);
  if (!order.includes(name)) order.push(name);
  draw();
}

/** Show how each label agrees with the others. */
export function showVerdicts(labels) {
  verdicts = new Map(labels.map((row) => [row.label, row]));
  draw();
}

function rearrange(change) {
  change();
  keep();
  draw();
  changed("palette");
}

const move = (name, step) => rearrange(() => {
  const from = order.indexOf(name);
  const to = Math.min(order.length - 1, Math.max(0, from + step));
  order.splice(to, 0, ...order.splice(from, 1));
});

const togglePin = (name) => rearrange(() => pinned.delete(name) || pinned.add(name));

const remove = (name) => rearrange(() => {
  order = order.filter((other) => other !== name);
  pinned.delete(name);
});

/** Pinned labels first, in their order, then the most used. */
const sortByUse = () => rearrange(() => {
  const rank = (name) => (pinned.has(name) ? Infinity : countOf(name));
  order = [...order].sort((one, other) => (pinned.has(one) && pinned.has(other) ? 0 : rank(other) - rank(one)));
});

// --- drawing ----------------------------------------------------------------------------------

let drawn = ""; // the rows that are drawn, without their numbers
const updates = []; // bring the numbers of a row up to date

/** Draw the labels; where only numbers have changed, the elements stay. */
function draw() {
  const rows = JSON.stringify([order, [...pinned], order.map((name) => countOf(name) === 0)]);
  if (rows !== drawn) drawRows();
  drawn = rows;
  for (const update of updates) update();
}

function drawRows() {
  const { act, name } = document.activeElement?.closest?.("#palette [data-act]")?.dataset ?? {};
  updates.length = 0;
  $("palette").replaceChildren(...order.map(row));
  if (act) [...$("palette").querySelectorAll(`[data-act="${act}"]`)].find((button) => button.dataset.name === name)?.focus();
  $("palette-sort").hidden = order.length < 2;
  $("palette-empty").hidden = order.length > 0;
  $("dock-labels").replaceChildren(...order.slice(0, DIGITS).map(chip));
  $("dock").hidden = order.length === 0;
  document.body.classList.toggle("docked", order.length > 0);
}

const key = (place) => (place < DIGITS ? el("kbd", { text: String(place + 1) }) : el("kbd", { class: "none" }));

function number(name) {
  const made = el("small");
  updates.push(() => (made.textContent = countOf(name).toLocaleString("en")));
  return made;
}

function chip(name, place) {
  return el("button", { type: "button", title: `Label with ${place + 1}: ${name}`, onclick: () => choose(name) }, key(place), el("span", { text: name }), number(name));
}

function row(name, place) {
  const small = (act, iconId, title, run, more = {}) =>
    el("button", { type: "button", class: "icon", "data-act": act, "data-name": name, "aria-label": `${title}: ${name}`, title, onclick: run, ...more }, icon(iconId));
  return el("li", { "data-label": name },
    el("button", { type: "button", class: "name", "data-act": "choose", "data-name": name, title: name, onclick: () => choose(name) }, key(place), el("span", { text: name }), number(name)),
    el("div", { class: "row-acts" },
      small("up", "up", "Move up", () => move(name, -1), { disabled: place === 0 }),
      small("down", "down", "Move down", () => move(name, 1), { disabled: place === order.length - 1 }),
      small("pin", "pin", "Keep first", () => togglePin(name), { "aria-pressed": String(pinned.has(name)) }),
      countOf(name) ? null : small("remove", "close", "Take off the list", () => remove(name)),
    ),
    bar(name),
  );
}

/** How many moments of a label the other labels confirm. */
function bar(name) {
  const parts = ["right", "wrong", "unknown"].map((verdict) => el("i", { class: verdict }));
  const button = el("button", { type: "button", class: "verdict-bar", "data-act": "wrong", "data-name": name, onclick: () => showWrong(name) }, ...parts);
  updates.push(() => {
    const { right = 0, wrong = 0, unknown = 0 } = verdicts.get(name) ?? {};
    const text = `${right} right, ${wrong} wrong, ${unknown} unknown`;
    button.hidden = right + wrong + unknown === 0;
    if (button.title === text) return;
    button.title = text;
    button.setAttribute("aria-label", `${name}: ${text}`);
    [right, wrong, unknown].forEach((size, place) => (parts[place].style.flexGrow = String(size)));
  });
  return button;
}

$("palette-sort").addEventListener("click", sortByUse);
on("summary", takeIn);
