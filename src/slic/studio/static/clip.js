// The clip that is looked for: dropped or chosen, sent, and trimmed.

import { $, clock, el, icon, later, toast } from "./dom.js";
import { upload } from "./api.js";
import { forget, keepInside, play } from "./player.js";
import { changed, state } from "./store.js";

const SHORTEST = 0.1;
const LONGEST_AT_FIRST = 12;
const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MB`;

let address = null;

/** Send a file and look for moments like it. */
export async function takeFile(file) {
  const most = state.about.upload_bytes;
  if (file.size > most) {
    toast(`${file.name} has ${megabytes(file.size)}; at most ${megabytes(most)} are taken. Cut it first, or add it to the index.`, { bad: true });
    return;
  }
  const bar = el("progress", { class: "progress", max: "1", "aria-label": "Sending the clip" });
  $("drop").append(bar);
  try {
    const clip = await upload(file, (share) => (bar.value = share));
    dropClip(false);
    show({ ...clip, title: file.name, file });
  } catch (error) {
    toast(error.message, { bad: true });
  } finally {
    bar.remove();
    $("file").value = "";
  }
}

/** Forget the clip. */
export function dropClip(tell = true) {
  if (address) URL.revokeObjectURL(address);
  address = null;
  state.clip = null;
  forget($("clip"));
  $("clip").replaceChildren();
  $("clip").hidden = true;
  $("drop").classList.remove("compact");
  if (tell) changed("query");
}

function show(clip) {
  const end = Math.min(clip.seconds, LONGEST_AT_FIRST);
  state.clip = { upload: clip.upload, start: 0, end, title: clip.title };
  address = URL.createObjectURL(clip.file);
  const video = el("video", { muted: true, playsinline: true, autoplay: true, "aria-label": "The clip" });
  video.src = address;
  video.addEventListener("error", () => { // a format this browser does not play
    const film = `/media/uploads/${clip.upload}/film.mp4`;
    if (!video.src.endsWith(film)) video.src = film;
  });
  const inside = keepInside(video, 0, end);
  const trim = trimmer(clip, video, inside);
  $("clip").replaceChildren(
    video,
    el("div", { class: "body" },
      el("div", { class: "title" }, el("span", { text: clip.title, title: clip.title }), el("button", { type: "button", class: "icon", "aria-label": "Remove the clip", title: "Remove the clip", onclick: () => dropClip() }, icon("close"))),
      ...trim,
    ),
  );
  $("clip").hidden = false;
  $("drop").classList.add("compact");
  play(video);
  changed("query");
}

/** Two handles on a line: where the part that is looked for begins and ends. */
function trimmer(clip, video, inside) {
  const handle = (label, value) =>
    el("input", { type: "range", min: "0", max: String(clip.seconds), step: "0.05", value: String(value), "aria-label": label });
  const [start, end] = [handle("Start of the part", inside.start), handle("End of the part", inside.end)];
  const kept = el("div", { class: "kept" });
  const now = el("div", { class: "now" });
  const [from, length, to] = [el("span"), el("span"), el("span")];
  const draw = () => {
    kept.style.left = `${(100 * inside.start) / clip.seconds}%`;
    kept.style.right = `${100 - (100 * inside.end) / clip.seconds}%`;
    from.textContent = clock(inside.start);
    to.textContent = clock(inside.end);
    length.textContent = `${(inside.end - inside.start).toFixed(1)} s`;
    start.setAttribute("aria-valuetext", clock(inside.start));
    end.setAttribute("aria-valuetext", clock(inside.end));
  };
  const search = later(220, () => {
    Object.assign(state.clip ?? {}, inside);
    changed("query");
  });
  const moved = (handle) => {
    const least = Math.min(SHORTEST, clip.seconds);
    if (handle === start) start.value = String(Math.min(Number(start.value), Number(end.value) - least));
    else end.value = String(Math.max(Number(end.value), Number(start.value) + least));
    inside.start = Number(start.value);
    inside.end = Math.min(clip.seconds, Number(end.value));
    video.currentTime = handle === start ? inside.start : Math.max(inside.start, inside.end - 0.6);
    draw();
    search();
  };
  for (const one of [start, end]) one.addEventListener("input", () => moved(one));
  video.addEventListener("timeupdate", () => (now.style.left = `${(100 * video.currentTime) / clip.seconds}%`));
  draw();
  return [
    el("div", { class: "trim", role: "group", "aria-label": "Trim" }, el("div", { class: "track" }), kept, now, start, end),
    el("div", { class: "times" }, from, length, to),
  ];
}

$("file").addEventListener("change", (event) => event.target.files[0] && takeFile(event.target.files[0]));
const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0;
addEventListener("dragenter", (event) => hasFile(event) && ($("dropping").hidden = ++depth === 0));
addEventListener("dragleave", (event) => hasFile(event) && ($("dropping").hidden = --depth <= 0));
addEventListener("dragover", (event) => hasFile(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  depth = 0;
  $("dropping").hidden = true;
  location.hash = "find";
  if (event.dataTransfer.files[0]) takeFile(event.dataTransfer.files[0]);
});
