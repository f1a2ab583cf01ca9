// Silent videos that loop a span of a file, and are loaded only while they are visible.

import { el } from "./dom.js";
import { momentUrl, reasonNotPlayed, thumbnailUrl } from "./api.js";

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const tileOf = new WeakMap();

const visible = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) (isIntersecting ? load : unload)(target);
  },
  { rootMargin: "120px" },
);

/**
 * A silent video of a moment. It loads when it becomes visible, at once if `eager`, and is unloaded when it is not.
 * A `still` one shows its first frame until `begin` is called.
 */
export function loopingVideo(tile, { eager = false, still = false } = {}) {
  const video = el("video", { muted: true, playsinline: true, loop: !tile.plays_in_grid, preload: "auto", tabindex: "-1", "aria-hidden": "true" });
  video.disablePictureInPicture = true;
  if (still) video.dataset.still = "1";
  tileOf.set(video, tile);
  if (tile.plays_in_grid) loopSpan(video, tile.start, tile.end);
  video.addEventListener("error", () => replaceFailed(video));
  if (eager) load(video);
  else visible.observe(video);
  return video;
}

/** Loop [start, end] of a longer video. Returns the span, which may be changed while it plays. */
export function loopSpan(video, start, end) {
  const span = { start, end };
  const check = () => {
    if (video.currentTime >= span.end - 0.02 || video.currentTime < span.start - 0.2 || video.ended) {
      const wasPlaying = !video.paused || video.ended || video.dataset.playing === "1";
      video.currentTime = span.start;
      if (wasPlaying) play(video);
    }
  };
  video.addEventListener("timeupdate", check);
  video.addEventListener("ended", check);
  // A browser also pauses at the end of a #t= fragment.
  video.addEventListener("pause", () => video.dataset.playing === "1" && check());
  if (video.requestVideoFrameCallback) { // timeupdate comes only four times a second
    const frame = () => {
      check();
      if (video.isConnected || video.dataset.playing === "1") video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  }
  return span;
}

export function play(video) {
  video.dataset.playing = "1";
  video.play().catch(() => {}); // unloaded meanwhile, or not allowed before the first click
}

function pause(video) {
  video.dataset.playing = "0";
  video.pause();
}

export const togglePlaying = (video) => (video.dataset.playing === "1" ? pause : play)(video);

/** Unload the videos in an element that is about to be removed. */
export function releaseVideos(root) {
  for (const video of root.querySelectorAll("video")) {
    visible.unobserve(video);
    unload(video);
  }
}

/** Stop the videos that are still loading. A browser has six connections, and the next request needs one. */
export function stopLoading(root) {
  for (const video of root.querySelectorAll("video")) if (video.readyState < 2) unload(video);
}

function load(video) {
  const tile = tileOf.get(video);
  if (!video.src) {
    if (!tile.plays_in_grid) video.poster = thumbnailUrl(tile);
    video.src = momentUrl(tile);
  }
  if (!reducedMotion.matches && video.dataset.still !== "1") play(video);
}

/** Play a still video from now on. */
export function begin(video) {
  delete video.dataset.still;
  if (video.src && !reducedMotion.matches) play(video);
}

function unload(video) {
  pause(video);
  if (video.src) {
    video.removeAttribute("src");
    video.load(); // closes the connection
  }
}

function replaceFailed(video) {
  if (!video.getAttribute("src")) return; // unloaded, which is an error to the browser too
  const tile = tileOf.get(video);
  visible.unobserve(video);
  if (tile.plays_in_grid) video.replaceWith(loopingVideo({ ...tile, plays_in_grid: false }, { still: video.dataset.still === "1" })); // as a preview
  else video.replaceWith(notPlayed(momentUrl(tile), "gone"));
}

/** A note in place of a video, which says why the studio does not send it. */
export function notPlayed(url, kind) {
  const note = el("p", { class: kind, text: "This file cannot be played." });
  reasonNotPlayed(url).then((reason) => (note.textContent = reason));
  return note;
}
