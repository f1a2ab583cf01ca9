// Drawing of a timeline: an axis, a row of scores, and lanes of labels. Thousands of moments share the pixels.

import { clock } from "./dom.js";
import { colour } from "./points.js";

export const AXIS = 18; // heights in pixels
export const SCORES = 44;
export const LANE = 22;
export const MAX_LANES = 4;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const MIN_TICK_PIXELS = 70;

const FULL_BAR = 3; // powers of ten, as in the badge of a result

/** How rare a score is: a third each at 90, 99 and 99.9 % of random pairs. */
function rarity(percentile) {
  return Math.min(1, Math.max(0.03, -Math.log10(Math.max(1 - percentile / 100, 1e-9)) / FULL_BAR));
}

/** The height of every moment's bar, from 0 to 1; null without a search. */
export function barHeights({ scores, percentiles }) {
  if (!scores) return null;
  if (percentiles) return percentiles.map(rarity);
  const [low, high] = scores.reduce(([a, b], s) => [Math.min(a, s), Math.max(b, s)], [Infinity, -Infinity]);
  return scores.map((score) => (high > low ? 0.06 + (0.94 * (score - low)) / (high - low) : 0.5));
}

/** Join segments of the same label that touch or overlap, and give each run a lane. */
export function labelRuns(labels) {
  const runs = [];
  const open = new Map(); // label -> its last run
  for (const { start, end, label } of labels) {
    const last = open.get(label);
    if (last && start <= last.end + 0.01) last.end = Math.max(last.end, end);
    else {
      const run = { start, end, label };
      runs.push(run);
      open.set(label, run);
    }
  }
  const ends = [];
  for (const run of runs) {
    let lane = ends.findIndex((end) => end <= run.start + 0.01);
    if (lane < 0) lane = Math.min(ends.length, MAX_LANES - 1);
    run.lane = lane;
    ends[lane] = Math.max(ends[lane] ?? 0, run.end);
  }
  return runs;
}

/**
 * Draw what lies between two times.
 *
 * `view` has `from`, `to` (seconds), `width` and `height` (pixels). `data` has `starts`, `ends`, `heights` (or
 * null), `runs`, `codes` (label -> colour), `current` (place of the opened moment, or -1) and `dark`.
 */
export function drawTimeline(canvas, view, data) {
  const pen = prepare(canvas, view);
  const style = getComputedStyle(canvas);
  const paint = (name) => style.getPropertyValue(name).trim();
  const x = (seconds) => ((seconds - view.from) / (view.to - view.from)) * view.width;
  drawAxis(pen, view, x, paint);
  if (data.heights) drawBars(pen, view, x, data, paint);
  else drawMoments(pen, view, x, data, paint);
  drawCurrent(pen, x, data, paint);
  for (const run of data.runs) if (run.end >= view.from && run.start <= view.to) drawRun(pen, view, x, run, data, paint);
}

function prepare(canvas, { width, height }) {
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  return pen;
}

function drawAxis(pen, { from, to, width, height }, x, paint) {
  const second = width / (to - from);
  const step = STEPS.find((one) => one * second >= MIN_TICK_PIXELS) ?? STEPS.at(-1) * Math.ceil(MIN_TICK_PIXELS / (STEPS.at(-1) * second));
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
    pen.fillStyle = paint("--line");
    pen.fillRect(Math.round(x(tick)), AXIS - 5, 1, height - AXIS + 5);
    pen.fillStyle = paint("--soft");
    const text = clock(Math.round(tick * 10) / 10);
    pen.fillText(text, Math.min(x(tick) + 4, width - pen.measureText(text).width - 2), 8);
  }
}

/** One bar a pixel: the highest of the moments that share it. */
function drawBars(pen, { from, to, width }, x, { starts, ends, heights }, paint) {
  const columns = new Float32Array(Math.ceil(width));
  for (let i = 0; i < starts.length; i++) {
    if (ends[i] < from || starts[i] > to) continue;
    const last = Math.min(columns.length - 1, Math.max(Math.floor(x(starts[i])), Math.ceil(x(ends[i])) - 1));
    for (let at = Math.max(0, Math.floor(x(starts[i]))); at <= last; at++) columns[at] = Math.max(columns[at], heights[i]);
  }
  pen.fillStyle = paint("--accent");
  for (let at = 0; at < columns.length; at++) {
    if (!columns[at]) continue;
    pen.globalAlpha = 0.3 + 0.7 * columns[at];
    const tall = Math.max(2, columns[at] * SCORES);
    pen.fillRect(at, AXIS + SCORES - tall, 1, tall);
  }
  pen.globalAlpha = 1;
}

function drawMoments(pen, { from, to, width }, x, { starts, ends }, paint) {
  pen.fillStyle = paint("--fill");
  const wide = starts.length > 1 && x(starts[1]) - x(starts[0]) > 4;
  if (!wide) pen.fillRect(0, AXIS + 14, width, SCORES - 20);
  for (let i = 0; wide && i < starts.length; i++) {
    if (ends[i] < from || starts[i] > to) continue;
    const next = starts[i + 1] ?? ends[i];
    pen.fillRect(x(starts[i]) + 1, AXIS + 14, Math.max(1, x(Math.max(next, starts[i])) - x(starts[i]) - 2), SCORES - 20);
  }
}

function drawCurrent(pen, x, { starts, ends, current }, paint) {
  if (current < 0) return;
  pen.strokeStyle = paint("--ink");
  pen.lineWidth = 1.5;
  const [left, right] = [x(starts[current]), x(ends[current])];
  pen.strokeRect(left + 1, AXIS + 1, Math.max(3, right - left - 2), SCORES - 2);
}

function drawRun(pen, { width }, x, { start, end, label, lane }, { codes, dark }, paint) {
  const [left, top] = [Math.max(-2, x(start)), AXIS + SCORES + 4 + lane * LANE];
  const wide = Math.max(3, Math.min(width + 2, x(end)) - left - 1);
  const tint = colour(codes.get(label) ?? 0, dark);
  pen.fillStyle = tint;
  pen.globalAlpha = 0.28;
  pen.fillRect(left, top, wide, LANE - 4);
  pen.globalAlpha = 1;
  pen.fillRect(left, top, Math.min(3, wide), LANE - 4);
  if (wide < 24) return;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, wide - 4, LANE - 4);
  pen.clip();
  pen.fillStyle = paint("--ink");
  pen.fillText(label, Math.max(2, left) + 7, top + (LANE - 4) / 2 + 0.5);
  pen.restore();
}
