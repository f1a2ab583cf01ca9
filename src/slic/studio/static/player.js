// Videos that loop a stretch, silently, and only while they can be seen.

import { el } from "./dom.js";
import { film, still } from "./api.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const tileOf = new WeakMap();

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) (isIntersecting ? wake : rest)(target);
  },
  { rootMargin: "120px" },
);

/** A silent video of a moment. It loads when it comes into view and is unloaded when it leaves. */
export function loopingVideo(tile, { eager = false } = {}) {
  const video = el("video", { muted: true, playsinline: true, loop: !tile.light, preload: "auto", tabindex: "-1", "aria-hidden": "true" });
  video.disablePictureInPicture = true;
  tileOf.set(video, tile);
  if (tile.light) keepInside(video, tile.start, tile.end);
  video.addEventListener("error", () => failed(video));
  if (eager) wake(video);
  else seen.observe(video);
  return video;
}

/** Play [start, end] of a longer video again and again; returns how to change the stretch. */
export function keepInside(video, start, end) {
  const inside = { start, end };
  const check = () => {
    if (video.currentTime >= inside.end - 0.02 || video.currentTime < inside.start - 0.2 || video.ended) {
      const wasPlaying = !video.paused || video.ended || video.dataset.playing === "1";
      video.currentTime = inside.start;
      if (wasPlaying) play(video);
    }
  };
  video.addEventListener("timeupdate", check);
  video.addEventListener("ended", check);
  video.addEventListener("pause", () => video.dataset.playing === "1" && check());
  if (video.requestVideoFrameCallback) {
    const frame = () => {
      check();
      if (video.isConnected || video.dataset.playing === "1") video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  }
  return inside;
}

export function play(video) {
  video.dataset.playing = "1";
  video.play().catch(() => {}); // broken off by an unload, or not allowed before a click
}

export function pause(video) {
  video.dataset.playing = "0";
  video.pause();
}

export const toggle = (video) => (video.dataset.playing === "1" ? pause : play)(video);

export function forget(root) {
  for (const video of root.querySelectorAll("video")) {
    seen.unobserve(video);
    rest(video);
  }
}

/** Stop what is still loading: a browser has six connections, and what comes next needs one. */
export function stopLoading(root) {
  for (const video of root.querySelectorAll("video")) if (video.readyState < 2) rest(video);
}

function wake(video) {
  const tile = tileOf.get(video);
  if (!video.src) {
    if (!tile.light) video.poster = still(tile);
    video.src = film(tile);
  }
  if (!calm.matches) play(video);
}

function rest(video) {
  pause(video);
  if (video.src) {
    video.removeAttribute("src");
    video.load();
  }
}

function failed(video) {
  if (!video.getAttribute("src")) return;
  const tile = tileOf.get(video);
  if (tile.light) { // the browser does not play it after all: a film does
    const instead = loopingVideo({ ...tile, light: false });
    seen.unobserve(video);
    video.replaceWith(instead);
  } else {
    seen.unobserve(video);
    video.replaceWith(el("p", { class: "gone", text: "This file cannot be shown; it may have been moved." }));
  }
}
