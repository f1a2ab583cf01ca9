// The view "Map": all moments as points. Hovering plays one, a lasso selects many.

import { $, count, el, toast } from "./dom.js";
import { getBinary, getJson, postJson } from "./api.js";
import { setScope } from "./find.js";
import { Grid } from "./grid.js";
import { closeHoverCard, openHoverCard } from "./hover.js";
import { openScopeLabelling } from "./labelling.js";
import { canGlide, glide, startOfGlide } from "./glide.js";
import { colour, NO_COLOUR, PointGrid, Points } from "./points.js";
import { on, state } from "./store.js";
import { openViewer } from "./viewer.js";

const LASSO_TILES = 60;
const LEGEND_ENTRIES = 60;
const MAX_LASSO_CORNERS = 400;
const POLL_MILLISECONDS = 1200;
const plane = $("plane");
const points = new Points($("points"));
const grid = new Grid($("map-grid"));
const view = { x: 0, y: 0, scale: 1 };
let pointGrid = null; // null while points move to their places
let ids = null;
let tool = "move";
let lasso = [];
let hovered = -1; // the point under the pointer
let retry = 0;
let shown = null; // { generation, preliminary, total } of the points; null if there are none yet
let gliding = null; // where the points move to

export async function showMap() {
  fillColours();
  clearTimeout(retry);
  if (!shown) await loadPoints("");
  await colourPoints();
  if (shown.preliminary) retry = setTimeout(improve, POLL_MILLISECONDS);
}

/** Replace the preliminary map by a better one, as soon as there is one. */
async function improve() {
  if ($("view-map").hidden) return; // showMap goes on
  try {
    const growing = state.summary.indexing?.running;
    if (await loadPoints(growing ? "" : "?final=true")) await colourPoints();
  } catch (error) {
    return toast(error.message, { bad: true }); // opening the view again tries again
  }
  if (shown.preliminary) retry = setTimeout(improve, state.summary.indexing?.running ? 4 * POLL_MILLISECONDS : POLL_MILLISECONDS);
}

/** Load the points. Returns false if the studio has no other ones yet. */
async function loadPoints(query) {
  const response = await getBinary(`/api/map${query}`);
  if (!response) return false;
  const { count: number, total, generation, preliminary } = response.head;
  if (shown?.generation === generation && shown.preliminary === preliminary) return false;
  const newIds = new Uint32Array(response.buffer, response.start, number);
  const position = new Uint16Array(response.buffer, response.start + 4 * number, 2 * number);
  if (lasso.length) clearLasso(); // it held other points
  const from = shown ? takeOver(newIds, position) : null;
  const first = !shown;
  ids = newIds;
  shown = { generation, preliminary, total };
  tellState(number);
  points.setData("inside", new Uint8Array(number));
  if (from && canGlide(number)) move(from, position);
  else place(position);
  if (first) fit();
  return true;
}

function tellState(number) {
  const { total, preliminary } = shown;
  const sample = number < total ? `${number.toLocaleString("en")} of ${count(total, "moment")}` : count(total, "moment");
  const next = state.summary.indexing?.running ? "it grows with the index" : "the map follows";
  $("map-status").textContent = preliminary ? `Preliminary (PCA): ${sample}; ${next}…` : sample;
  plane.classList.toggle("preliminary", preliminary);
  $("tool-lasso").disabled = preliminary;
  $("tool-lasso").title = preliminary ? "The lasso works when the map is computed" : "Lasso (or hold Shift and drag)";
  if (preliminary) chooseTool("move");
}

/** Return where the new points begin to move, and keep the colours of those that were there. */
function takeOver(newIds, position) {
  const { from, code } = startOfGlide({ ids, position: points.position, code: points.code }, newIds, position);
  points.setData("code", code);
  return from;
}

function place(position) {
  gliding = null;
  points.setData("position", position);
  if (points.code?.length !== points.count) points.setData("code", new Uint16Array(points.count).fill(NO_COLOUR));
  pointGrid = new PointGrid(position);
  redraw();
}

/** Move the points to their new places. Zoom and position of the view stay. */
function move(from, to) {
  pointGrid = null;
  leave();
  gliding = to;
  glide({ from, to, still: () => gliding === to, draw: (position) => {
    points.setData("position", position);
    redraw();
  }, end: () => place(to) });
}

function fillColours() {
  const select = $("colours");
  const before = select.value;
  const options = [["label", "by label"], ...state.summary.levels.map((number, level) => [`cluster:${level}`, `by cluster: ${number}`])];
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  const first = state.summary.labels.length || state.summary.level === null ? "label" : `cluster:${state.summary.level}`;
  select.value = options.some(([value]) => value === before) ? before : first;
}

async function colourPoints() {
  if (!shown) return;
  const [by, level] = $("colours").value.split(":");
  const before = shown;
  const response = await getBinary(`/api/map/colours?by=${by}${level === undefined ? "" : `&level=${level}`}&preliminary=${shown.preliminary}`);
  if (before !== shown) return; // the colours of points that are no longer there
  if (response?.head.generation !== shown.generation) { // moments were added or removed
    if (await loadPoints("")) await colourPoints();
    if (shown.preliminary) retry = setTimeout(improve, POLL_MILLISECONDS);
    return;
  }
  points.setData("code", new Uint16Array(response.buffer, response.start, points.count));
  drawLegend(response.head.legend);
  redraw();
}

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

function drawLegend(legend) {
  const dark = isDark();
  const entry = (code, text, number) => {
    const dot = el("i");
    dot.style.background = colour(code, dark);
    return el("li", {}, el("button", { type: "button", "aria-pressed": String(code === points.only), "data-code": String(code), onclick: () => highlight(code) },
      dot, el("span", { text }), el("small", { text: number.toLocaleString("en") })));
  };
  const entries = legend.slice(0, LEGEND_ENTRIES).map(({ label, cluster, moments }, code) => entry(code, label ?? `cluster ${cluster}`, moments));
  const none = shown.total - legend.reduce((sum, { moments }) => sum + moments, 0);
  if (none > 0) entries.push(entry(NO_COLOUR, legend.length && "cluster" in legend[0] ? "smaller clusters, or none" : "not labelled", none));
  $("legend").replaceChildren(...entries);
}

/** Fade all points but those of one code; a second call shows all again. */
function highlight(code) {
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
/** Draw once in the next frame, however often it is called before. */
function redraw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    if ($("view-map").hidden || !points.code) return;
    if (!points.shades || points.dark !== isDark()) points.setTheme(isDark());
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
  if (hovered >= 0) {
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(...onCanvas([points.position[2 * hovered] / 65535, points.position[2 * hovered + 1] / 65535]), Math.max(6, points.size(view) * 0.8), 0, 7);
    pen.stroke();
  }
}

const onMap = (event) => {
  const box = plane.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (view.y - (event.clientY - box.top)) / view.scale];
};

// --- hovering -------------------------------------------------------------------------------

let opening = 0;
function hover(event) {
  if (!pointGrid) return;
  const [x, y] = onMap(event);
  const found = pointGrid.nearest(x, y, Math.max(10, points.size(view)) / view.scale);
  if (found === hovered) return;
  hovered = found;
  drawLasso();
  clearTimeout(opening);
  if (found < 0) return closeHoverCard();
  // A short delay, so that a pointer that only passes does not load every moment.
  opening = setTimeout(() => showHovered(found, event.clientX, event.clientY).catch(() => closeHoverCard()), 90);
}

async function showHovered(point, x, y) {
  const tile = await getJson(`/api/moments/${ids[point]}`);
  if (point === hovered) openHoverCard(plane, tile, x, y);
}

function leave() {
  clearTimeout(opening);
  hovered = -1;
  closeHoverCard();
  drawLasso();
}

// --- moving and the lasso -------------------------------------------------------------------

const pointers = new Map();
let moved = 0; // pixels since the pointer went down, to tell a click from a drag
let drawingLasso = false;

function down(event) {
  if (event.target.closest("button")) return;
  plane.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  moved = 0;
  drawingLasso = pointers.size === 1 && pointGrid && !shown.preliminary && (tool === "lasso" || event.shiftKey);
  if (drawingLasso) lasso = [onMap(event)];
  closeHoverCard();
}

function drag(event) {
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
  if (drawingLasso && lasso.length > 2 && moved > 20) await applyLasso();
  else if (drawingLasso) clearLasso();
  else if (moved < 6) await openAt(event);
  drawingLasso = false;
}

async function openAt(event) {
  hovered = -1;
  const [x, y] = onMap(event);
  const found = pointGrid ? pointGrid.nearest(x, y, Math.max(14, points.size(view)) / view.scale) : -1;
  if (found >= 0) openViewer(null, await getJson(`/api/moments/${ids[found]}`));
}

async function applyLasso() {
  const step = Math.ceil(lasso.length / MAX_LASSO_CORNERS);
  lasso = lasso.filter((_, i) => i % step === 0).map(([x, y]) => [x, y].map((v) => Math.min(2, Math.max(-1, v))));
  points.setData("inside", pointGrid.inside(lasso));
  points.lassoed = true;
  redraw();
  setScope({ lasso });
  await showLassoed();
}

async function showLassoed() {
  const scope = { where: state.scope.where, lasso };
  const response = await postJson("/api/browse", { scope, limit: LASSO_TILES });
  $("map-lassoed").hidden = false;
  $("map-count").textContent = count(response.total, "moment");
  $("map-label").disabled = response.total === 0;
  $("map-label").onclick = () => openScopeLabelling({ where: state.scope.where, lasso }, response.total);
  grid.show(response.moments);
}

function takeLasso(corners) {
  lasso = corners;
  if (!pointGrid) return;
  points.setData("inside", pointGrid.inside(lasso));
  points.lassoed = true;
  redraw();
  showLassoed().catch((error) => toast(error.message, { bad: true }));
}

function clearLasso() {
  lasso = [];
  points.lassoed = false;
  $("map-lassoed").hidden = true;
  grid.show([]);
  redraw();
  if (state.scope.lasso.length) setScope({ lasso: [] });
}

function chooseTool(chosen) {
  tool = chosen;
  plane.classList.toggle("lassoing", tool === "lasso");
  plane.classList.toggle("moving", tool === "move");
  for (const id of ["move", "lasso"]) $(`tool-${id}`).setAttribute("aria-pressed", String(id === tool));
}

chooseTool("move");
$("tool-move").addEventListener("click", () => chooseTool("move"));
$("tool-lasso").addEventListener("click", () => chooseTool("lasso"));
$("map-fit").addEventListener("click", fit);
$("map-clear").addEventListener("click", clearLasso);
$("colours").addEventListener("change", () => {
  points.only = -1;
  colourPoints().catch((e) => toast(e.message, { bad: true }));
});
plane.addEventListener("pointerdown", down);
plane.addEventListener("pointermove", drag);
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
  const { lasso: wanted } = state.scope;
  if (!wanted.length && lasso.length) clearLasso();
  else if (wanted.length && wanted !== lasso) takeLasso(wanted); // an undo has brought it back
});
for (const kind of ["labels", "relabelled"]) {
  on(kind, async () => {
    points.only = -1; // the codes now belong to other labels
    if ($("view-map").hidden) return;
    fillColours();
    await colourPoints();
    if (lasso.length) await showLassoed();
  });
}
