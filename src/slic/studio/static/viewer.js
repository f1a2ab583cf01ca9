// The dialog that plays one moment in its whole video.

import { $, clock, el, icon } from "./dom.js";
import { fileUrl, momentUrl } from "./api.js";
import { openLabelling } from "./labelling.js";
import { loopSpan, play, releaseVideos } from "./player.js";
import { isLiked, toggleExamples } from "./store.js";

let opened = null; // { grid, tile }

export function openViewer(grid, tile) {
  opened = { grid, tile };
  const like = el("button", { type: "button", class: "primary", onclick: () => closeAnd(() => toggleExamples([tile], "like")) }, isLiked(tile.moment) ? "Liked" : "More like this");
  const unlike = el("button", { type: "button", text: "Less like this", onclick: () => closeAnd(() => toggleExamples([tile], "unlike")) });
  const label = el("button", { type: "button", text: "Label", onclick: () => closeAnd(() => openLabelling([tile])) });
  releaseVideos($("viewer"));
  $("viewer").replaceChildren(
    el("button", { type: "button", class: "close", "aria-label": "Close", onclick: closeViewer }, icon("close")),
    player(tile),
    el("div", { class: "body" },
      el("div", {}, el("h2", { text: tile.label ?? tile.path }), el("p", { class: "hint", text: facts(tile) })),
      el("div", { class: "buttons" }, like, unlike, label),
    ),
  );
  if (!$("viewer").open) $("viewer").showModal();
  like.focus();
}

/** The moment in its whole file, or as a preview if the browser does not play the file. */
function player(tile) {
  const video = el("video", { muted: true, playsinline: true, controls: true, loop: !tile.plays });
  video.src = tile.plays ? `${fileUrl(tile)}#t=${tile.start.toFixed(3)}` : momentUrl(tile);
  if (tile.plays) loopUntilSeeked(video, tile);
  video.addEventListener("error", () => video.replaceWith(tile.plays ? player({ ...tile, plays: false, plays_in_grid: false }) : unplayable()));
  play(video);
  return video;
}

const unplayable = () => el("p", { class: "empty", text: "This file cannot be played. It may have been moved." });

function facts(tile) {
  const parts = [`${clock(tile.start)}–${clock(tile.end)} of ${clock(tile.seconds)}`, `${tile.width}×${tile.height}`];
  if (tile.label) parts.unshift(tile.path);
  if (tile.score !== null) parts.push(`similarity ${tile.score.toFixed(3)}`);
  return parts.join(" · ");
}

/** Loop the moment until the user seeks to another part of the video. */
function loopUntilSeeked(video, tile) {
  const span = loopSpan(video, tile.start, tile.end);
  video.addEventListener("seeking", () => {
    if (video.currentTime < tile.start - 0.3 || video.currentTime > tile.end + 0.3) Object.assign(span, { start: 0, end: Infinity });
  });
}

function closeAnd(act) {
  closeViewer();
  act();
}

function closeViewer() {
  $("viewer").close();
}

$("viewer").addEventListener("close", () => {
  releaseVideos($("viewer"));
  $("viewer").replaceChildren();
  const item = opened?.grid?.root.querySelector(`[data-moment="${opened.tile.moment}"]`);
  if (item) opened.grid.focus(item);
});
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && closeViewer()); // on the backdrop
$("viewer").addEventListener("keydown", (event) => {
  if (event.target.tagName === "VIDEO" || !opened?.grid) return; // a video seeks with the arrow keys
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const tiles = opened.grid.tiles;
  const next = step && tiles[tiles.indexOf(opened.tile) + step];
  if (next) openViewer(opened.grid, next);
});
