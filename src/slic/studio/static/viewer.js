// One moment, large, in its whole video.

import { $, clock, el, icon } from "./dom.js";
import { film, wholeFile } from "./api.js";
import { forget, keepInside, play } from "./player.js";
import { isLiked, judge } from "./store.js";
import { openNaming } from "./naming.js";

let shown = null; // { grid, tile }

export function openViewer(grid, tile) {
  shown = { grid, tile };
  const like = el("button", { type: "button", class: "primary", onclick: () => act(() => judge([tile], "like")) }, isLiked(tile.moment) ? "Liked" : "More like this");
  const unlike = el("button", { type: "button", text: "Less like this", onclick: () => act(() => judge([tile], "unlike")) });
  const name = el("button", { type: "button", text: "Name", onclick: () => act(() => openNaming([tile])) });
  forget($("viewer"));
  $("viewer").replaceChildren(
    el("button", { type: "button", class: "close", "aria-label": "Close", onclick: closeViewer }, icon("close")),
    playing(tile),
    el("div", { class: "body" },
      el("div", {}, el("h2", { text: tile.name ?? tile.path }), el("p", { class: "hint", text: facts(tile) })),
      el("div", { class: "buttons" }, like, unlike, name),
    ),
  );
  if (!$("viewer").open) $("viewer").showModal();
  like.focus();
}

/** The moment in its whole file, or as a film where the browser does not play that. */
function playing(tile) {
  const video = el("video", { muted: true, playsinline: true, controls: true, loop: !tile.native });
  video.src = tile.native ? `${wholeFile(tile)}#t=${tile.start.toFixed(3)}` : film(tile);
  if (tile.native) loopUntilMoved(video, tile);
  video.addEventListener("error", () => video.replaceWith(tile.native ? playing({ ...tile, native: false, light: false }) : gone()));
  play(video);
  return video;
}

const gone = () => el("p", { class: "empty", text: "This file cannot be shown; it may have been moved." });

function facts(tile) {
  const parts = [`${clock(tile.start)}–${clock(tile.end)} of ${clock(tile.seconds)}`, `${tile.width}×${tile.height}`];
  if (tile.name) parts.unshift(tile.path);
  if (tile.score !== null) parts.push(`similarity ${tile.score.toFixed(3)}`);
  return parts.join(" · ");
}

/** The moment plays again and again until somebody moves elsewhere in the video. */
function loopUntilMoved(video, tile) {
  const inside = keepInside(video, tile.start, tile.end);
  video.addEventListener("seeking", () => {
    if (video.currentTime < tile.start - 0.3 || video.currentTime > tile.end + 0.3) Object.assign(inside, { start: 0, end: Infinity });
  });
}

function act(what) {
  closeViewer();
  what();
}

export function closeViewer() {
  $("viewer").close();
}

$("viewer").addEventListener("close", () => {
  forget($("viewer"));
  $("viewer").replaceChildren();
  const item = shown?.grid?.root.querySelector(`[data-moment="${shown.tile.moment}"]`);
  if (item) shown.grid.focus(item);
});
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && closeViewer());
$("viewer").addEventListener("keydown", (event) => {
  if (event.target.tagName === "VIDEO" || !shown?.grid) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const tiles = shown.grid.tiles;
  const next = step && tiles[tiles.indexOf(shown.tile) + step];
  if (next) openViewer(shown.grid, next);
});

