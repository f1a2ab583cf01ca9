// The dialog that plays one moment in its whole video, above the timeline of the video.

import { $, clock, el, icon } from "./dom.js";
import { fileUrl, momentUrl } from "./api.js";
import { openLabelling } from "./labelling.js";
import { loopSpan, notPlayed, play, releaseVideos, togglePlaying } from "./player.js";
import { scoreWords } from "./score.js";
import { isLiked, toggleExamples } from "./store.js";
import { Timeline } from "./timeline.js";

const PREVIEW_SECONDS = 4; // of a file that the browser does not play
const MAX_PREVIEW_SECONDS = 20;
let opened = null; // { grid, tile, player, timeline }

export function openViewer(grid, tile) {
  close();
  const player = new Player(tile);
  const timeline = new Timeline(tile, player, (range) => closeAnd(() => {
    toggleExamples([range], "like");
    location.hash = "find";
  }));
  const mine = (opened = { grid, tile, player, timeline });
  const like = el("button", { type: "button", class: "primary", onclick: () => closeAnd(() => toggleExamples([tile], "like")) }, isLiked(tile.moment) ? "Liked" : "More like this");
  const unlike = el("button", { type: "button", text: "Less like this", onclick: () => closeAnd(() => toggleExamples([tile], "unlike")) });
  const label = el("button", { type: "button", text: "Label", onclick: () => closeAnd(() => openLabelling([tile])) });
  $("viewer").replaceChildren(
    el("button", { type: "button", class: "close", "aria-label": "Close", onclick: closeViewer }, icon("close")),
    player.screen,
    timeline.element,
    el("div", { class: "body" },
      el("div", {}, el("h2", { text: tile.label ?? tile.path }), el("p", { class: "hint", text: facts(tile) })),
      el("div", { class: "buttons" }, like, unlike, label),
    ),
  );
  if (!$("viewer").open) $("viewer").showModal();
  like.focus({ preventScroll: true });
  const frame = () => {
    if (opened !== mine) return;
    timeline.follow();
    requestAnimationFrame(frame);
  };
  frame();
}

/** The whole file at the moment, or a preview of a part of it if the browser does not play the file. */
class Player {
  constructor(tile) {
    this.tile = tile;
    this.screen = el("div", { class: "screen" });
    if (tile.plays) this.showFile();
    else this.showPreview(tile.start, tile.end);
  }

  showFile() {
    const { tile } = this;
    this.offset = 0; // time of the video where the element begins
    this.wanted = tile.start;
    this.whole = true;
    this.show(`${fileUrl(tile)}#t=${tile.start.toFixed(3)}`, () => this.showPreview(tile.start, tile.end));
    this.span = loopSpan(this.video, tile.start, tile.end);
    // Seeking out of the span ends the loop.
    this.video.addEventListener("seeking", () => {
      const { currentTime } = this.video;
      if (currentTime < this.span.start - 0.3 || currentTime > this.span.end + 0.3) this.loop(0, Infinity);
    });
  }

  showPreview(start, end) {
    this.whole = false;
    this.offset = this.wanted = start;
    this.end = Math.min(end, start + MAX_PREVIEW_SECONDS);
    const address = momentUrl({ ...this.tile, start, end: this.end, plays_in_grid: false });
    this.show(address, () => this.screen.replaceChildren(notPlayed(address, "empty")));
    this.video.loop = true;
  }

  show(address, onError) {
    releaseVideos(this.screen);
    this.video = el("video", { muted: true, playsinline: true, controls: true });
    this.video.src = address;
    this.video.addEventListener("error", () => this.video.getAttribute("src") === address && onError());
    this.screen.replaceChildren(this.video);
    play(this.video);
  }

  time() {
    if (this.video.readyState < 1) return this.wanted; // nothing is loaded yet
    return this.offset + this.video.currentTime;
  }

  seek(seconds) {
    this.wanted = seconds;
    if (this.whole || (seconds >= this.offset && seconds < this.end)) this.video.currentTime = seconds - this.offset;
    else this.showPreview(Math.min(seconds, Math.max(0, this.tile.seconds - 0.1)), seconds + PREVIEW_SECONDS);
  }

  loop(start, end) {
    if (this.whole) Object.assign(this.span, { start, end });
    else if (end < Infinity) this.showPreview(start, end);
  }

  toggle() {
    togglePlaying(this.video);
  }

  pause() {
    if (this.video.dataset.playing === "1") togglePlaying(this.video);
  }
}

function facts(tile) {
  const parts = [`${clock(tile.start)}–${clock(tile.end)} of ${clock(tile.seconds)}`, `${tile.width}×${tile.height}`];
  if (tile.label) parts.unshift(tile.path);
  if (tile.score !== null) parts.push(scoreWords(tile));
  return parts.join(" · ");
}

function closeAnd(act) {
  closeViewer();
  act();
}

function closeViewer() {
  $("viewer").close();
}

/** End what belongs to the opened moment. */
function close() {
  opened?.timeline.close();
  releaseVideos($("viewer"));
  $("viewer").replaceChildren();
}

$("viewer").addEventListener("close", () => {
  close();
  const { grid, tile } = opened ?? {};
  opened = null;
  const item = grid?.root.querySelector(`[data-moment="${tile.moment}"]`);
  if (item) grid.focus(item);
});
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && closeViewer()); // on the backdrop
$("viewer").addEventListener("keydown", (event) => {
  if (event.target.closest("video, input, .track") || !opened?.grid) return; // there the arrow keys seek
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const tiles = opened.grid.tiles;
  const next = step && tiles[tiles.indexOf(opened.tile) + step];
  if (next) openViewer(opened.grid, next);
});
