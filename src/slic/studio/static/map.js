// The view "Map": all moments as points; hovering plays one, a lasso picks many.

import { $, count, el, toast } from "./dom.js";
import { get, packed, post } from "./api.js";
import { Grid } from "./grid.js";
import { openNamingWithin } from "./naming.js";
import { closePeek, openPeek } from "./peek.js";
import { Cells, colour, NO_COLOUR, Points } from "./points.js";
import { narrow } from "./find.js";
import { on, state } from "./store.js";
import { openViewer } from "./viewer.js";

const PICKED_SHOWN = 60;
const plane = $("plane");
const points = new Points($("points"));
const grid = new Grid($("map-grid"));
const view = { x: 0, y: 0, scale: 1 };
let cells = null;
let ids = null;
let tool = "move";
let lasso = [];
let under = -1; // the point under the pointer
let waiting = 0;
let generation = null; // of the index, when it had these points

export async function showMap() {
  fillColours();
  clearTimeout(waiting);
  if (generation === null && !(await loadPoints())) return;
  await colourPoints();
}

/** Take the points; false while the studio is still making the map. */
async function loadPoints() {
  $("map-status").textContent = "";
  const answer = await packed("/api/map");
  if (!answer) {
    $("map-status").textContent = "The map is being made; it is kept for the next time…";
    waiting = setTimeout(() => $("view-map").hidden || showMap().catch((e) => toast(e.message, { bad: true })), 1200);
    return false;
  }
  const number = answer.head.count;
  ids = new Uint32Array(answer.buffer, answer.start, number);
  const place = new Uint16Array(answer.buffer, answer.start + 4 * number, 2 * number);
  cells = new Cells(place);
  points.give("place", place);
  points.give("picked", cells.inside(lasso));
  $("map-status").textContent = count(number, "moment");
  generation = answer.head.generation;
  fit();
  return true;
}

function fillColours() {
  const select = $("colours");
  const before = select.value;
  const options = [["name", "by name"], ...state.about.levels.map((number, level) => [`cluster:${level}`, `by cluster: ${number}`])];
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  const first = state.about.names.length || state.about.level === null ? "name" : `cluster:${state.about.level}`;
  select.value = options.some(([value]) => value === before) ? before : first;
}

async function colourPoints() {
  const [by, level] = $("colours").value.split(":");
  const answer = await packed(`/api/map/colours?by=${by}${level === undefined ? "" : `&level=${level}`}`);
  if (answer?.head.generation !== generation) { // moments came or went
    generation = null;
    return showMap();
  }
  points.give("code", new Uint16Array(answer.buffer, answer.start, points.count));
  drawLegend(answer.head.legend);
  redraw();
}

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

function drawLegend(legend) {
  const dark = isDark();
  const shown = legend.slice(0, 60);
  const entry = (code, text, number) => {
    const dot = el("i");
    dot.style.background = colour(code, dark);
    return el("li", {}, el("button", { type: "button", "aria-pressed": String(code === points.only), "data-code": String(code), onclick: () => only(code) },
      dot, el("span", { text }), el("small", { text: number === null ? "" : number.toLocaleString("en") })));
  };
  const entries = shown.map(({ name, cluster, moments }, code) => entry(code, name ?? `cluster ${cluster}`, moments));
  const none = points.count - legend.reduce((sum, { moments }) => sum + moments, 0);
  if (none > 0) entries.push(entry(NO_COLOUR, legend.length && "cluster" in legend[0] ? "smaller clusters, or none" : "not named", none));
  $("legend").replaceChildren(...entries);
}

function only(code) {
  points.only = points.only === code ? -1 : code;
  for (const button of $("legend").querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.code) === points.only));
  redraw();
}

function fit() {
  const [width, height] = [plane.clientWidth, plane.clientHeight];
  view.scale = 0.9 * Math.min(width, height);
  view.x = (width - view.scale) / 2;
  view.y = (height + view.scale) / 2;
  redraw();
}

let drawing = 0;
function redraw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    if ($("view-map").hidden || !points.code) return;
    if (!points.shades || points.dark !== isDark()) points.paintWith(isDark());
    points.draw(view);
    drawLasso();
  });
}

function drawLasso() {
  const canvas = $("lasso");
  canvas.width = canvas.clientWidth * devicePixelRatio;
  canvas.height = canvas.clientHeight * devicePixelRatio;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.strokeStyle = getComputedStyle(plane).getPropertyValue("--accent");
  pen.lineWidth = 1.6;
  const onCanvas = ([x, y]) => [view.x + x * view.scale, view.y - y * view.scale];
  if (lasso.length > 1) {
    pen.setLineDash([5, 4]);
    pen.beginPath();
    for (const corner of lasso) pen.lineTo(...onCanvas(corner));
    pen.closePath();
    pen.stroke();
  }
  if (under >= 0) {
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(...onCanvas([points.place[2 * under] / 65535, points.place[2 * under + 1] / 65535]), Math.max(6, points.size(view) * 0.8), 0, 7);
    pen.stroke();
  }
}

const onMap = (event) => {
  const box = plane.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (view.y - (event.clientY - box.top)) / view.scale];
};

// --- hovering -------------------------------------------------------------------------------

let peeking = 0;
async function hover(event) {
  if (!cells) return;
  const [x, y] = onMap(event);
  const found = cells.nearest(x, y, Math.max(10, points.size(view)) / view.scale);
  if (found === under) return;
  under = found;
  drawLasso();
  clearTimeout(peeking);
  if (found < 0) return closePeek();
  peeking = setTimeout(() => peek(found, event.clientX, event.clientY).catch(() => closePeek()), 90);
}

async function peek(point, x, y) {
  const tile = await get(`/api/moments/${ids[point]}`);
  if (point === under) openPeek(plane, tile, x, y);
}

function leave() {
  clearTimeout(peeking);
  under = -1;
  closePeek();
  drawLasso();
}

// --- moving and the lasso -------------------------------------------------------------------

const pointers = new Map();
let moved = 0;
let drawingLasso = false;

function down(event) {
  if (event.target.closest("button")) return;
  plane.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  moved = 0;
  drawingLasso = pointers.size === 1 && (tool === "lasso" || event.shiftKey);
  if (drawingLasso) lasso = [onMap(event)];
  closePeek();
}

function move(event) {
  const before = pointers.get(event.pointerId);
  if (!before) {
    if (event.pointerType === "mouse") hover(event);
    return;
  }
  const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
  moved += Math.abs(dx) + Math.abs(dy);
  pointers.set(event.pointerId, event);
  if (drawingLasso) lasso.push(onMap(event));
  else if (pointers.size === 2) pinch(event, before);
  else {
    view.x += dx;
    view.y += dy;
  }
  redraw();
}

function pinch(event, before) {
  const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
  const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  zoom(apart(event) / Math.max(1, apart(before)), other);
}

function zoom(factor, around) {
  const box = plane.getBoundingClientRect();
  const [x, y] = [around.clientX - box.left, around.clientY - box.top];
  const scale = Math.min(200, Math.max(0.3, (view.scale * factor) / Math.min(box.width, box.height))) * Math.min(box.width, box.height);
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  redraw();
}

async function up(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (drawingLasso && lasso.length > 2 && moved > 20) await pickLasso();
  else if (drawingLasso) clearLasso();
  else if (moved < 6) await openUnder(event);
  drawingLasso = false;
}

async function openUnder(event) {
  under = -1;
  const [x, y] = onMap(event);
  const found = cells ? cells.nearest(x, y, Math.max(14, points.size(view)) / view.scale) : -1;
  if (found >= 0) openViewer(null, await get(`/api/moments/${ids[found]}`));
}

async function pickLasso() {
  const step = Math.ceil(lasso.length / 400);
  lasso = lasso.filter((_, i) => i % step === 0).map(([x, y]) => [x, y].map((v) => Math.min(2, Math.max(-1, v))));
  points.give("picked", cells.inside(lasso));
  points.picking = true;
  redraw();
  narrow({ lasso });
  await showPicked();
}

async function showPicked() {
  const answer = await post("/api/browse", { within: { where: state.within.where, lasso }, limit: PICKED_SHOWN });
  $("map-picked").hidden = false;
  $("map-count").textContent = count(answer.total, "moment");
  $("map-name").disabled = answer.total === 0;
  $("map-name").onclick = () => openNamingWithin({ where: state.within.where, lasso }, answer.total);
  grid.show(answer.moments);
}

function clearLasso() {
  lasso = [];
  points.picking = false;
  $("map-picked").hidden = true;
  grid.show([]);
  redraw();
  if (state.within.lasso.length) narrow({ lasso: [] });
}

function choose(which) {
  tool = which;
  plane.classList.toggle("lassoing", tool === "lasso");
  plane.classList.toggle("moving", tool === "move");
  for (const name of ["move", "lasso"]) $(`tool-${name}`).setAttribute("aria-pressed", String(name === tool));
}

choose("move");
$("tool-move").addEventListener("click", () => choose("move"));
$("tool-lasso").addEventListener("click", () => choose("lasso"));
$("map-fit").addEventListener("click", fit);
$("map-clear").addEventListener("click", clearLasso);
$("colours").addEventListener("change", () => {
  points.only = -1;
  colourPoints().catch((e) => toast(e.message, { bad: true }));
});
plane.addEventListener("pointerdown", down);
plane.addEventListener("pointermove", move);
plane.addEventListener("pointerup", (event) => up(event).catch((e) => toast(e.message, { bad: true })));
plane.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
plane.addEventListener("pointerleave", leave);
plane.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event);
}, { passive: false });
new ResizeObserver(redraw).observe(plane);
on("theme", () => $("view-map").hidden || colourPoints());
on("query", () => {
  if (!state.within.lasso.length && lasso.length) clearLasso();
});
for (const what of ["names", "renamed"]) {
  on(what, async () => {
    points.only = -1; // the codes mean other names now
    if ($("view-map").hidden) return;
    fillColours();
    await colourPoints();
    if (lasso.length) await showPicked();
  });
}
