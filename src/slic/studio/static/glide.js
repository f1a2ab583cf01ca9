// Points of a map that move to the places of a better map.

import { NO_COLOUR } from "./points.js";

const MILLISECONDS = 900;
const MAX_POINTS = 300_000; // more would not move smoothly
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export const canGlide = (number) => number <= MAX_POINTS && !reducedMotion.matches;

/** Where new points begin: at their places on the map before, if they were on it. Colours go with them. */
export function startOfGlide(before, ids, position) {
  const from = position.slice();
  const code = new Uint16Array(ids.length).fill(NO_COLOUR);
  for (let i = 0, j = 0; i < ids.length; i++) { // both ascend
    while (j < before.ids.length && before.ids[j] < ids[i]) j++;
    if (before.ids[j] !== ids[i]) continue;
    from[2 * i] = before.position[2 * j];
    from[2 * i + 1] = before.position[2 * j + 1];
    code[i] = before.code[j];
  }
  return { from, code };
}

/** Call `draw` with the positions of every frame, and `end` after the last, while `still()` is true. */
export function glide({ from, to, still, draw, end }) {
  const start = performance.now();
  const now = new Uint16Array(to.length);
  const frame = (time) => {
    if (!still()) return;
    const share = Math.min(1, Math.max(0, time - start) / MILLISECONDS);
    if (share === 1) return end();
    const eased = share * share * (3 - 2 * share);
    for (let i = 0; i < to.length; i++) now[i] = from[i] + (to[i] - from[i]) * eased;
    draw(now);
    requestAnimationFrame(frame);
  };
  draw(from);
  requestAnimationFrame(frame);
}
