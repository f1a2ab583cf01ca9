// The uploaded query video: dropped or chosen, sent, and trimmed.

import { $, clock, debounce, el, icon, toast } from "./dom.js";
import { sendFile } from "./api.js";
import { loopSpan, play, releaseVideos } from "./player.js";
import { changed, on, state } from "./store.js";

const MIN_SPAN_SECONDS = 0.1;
const MAX_INITIAL_SECONDS = 12;
const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MB`;

let shown = null; // the upload of the card
const uploads = new Map(); // key -> upload, so that undo can show one again

/** Upload a file and search for moments like it. */
export async function uploadFile(file) {
  const limit = state.summary.max_upload_bytes;
  if (file.size > limit) { // checked here too, because a refused upload may be read as a broken connection
    toast(`${file.name} has ${megabytes(file.size)}. At most ${megabytes(limit)} can be uploaded. Cut the video first, or add it to the index.`, { bad: true });
    return;
  }
  const bar = el("progress", { class: "progress", max: "1", "aria-label": "Uploading the video" });
  $("drop").append(bar);
  try {
    const upload = await sendFile(file, (share) => (bar.value = share));
    uploads.set(upload.upload, { ...upload, title: file.name, file });
    state.upload = { key: upload.upload, start: 0, end: Math.min(upload.seconds, MAX_INITIAL_SECONDS) };
    changed("query");
  } catch (error) {
    toast(error.message, { bad: true });
  } finally {
    bar.remove();
    $("file").value = ""; // so that the same file can be chosen again
  }
}

/** Remove the uploaded video from the query. */
export function removeUpload() {
  state.upload = null;
  changed("query");
}

/** Show the card of the video that the query has, if it is not the one on view. */
function draw() {
  const { key = null, start, end } = state.upload ?? {};
  if (key === (shown?.upload ?? null) && (key === null || (start === shown.span.start && end === shown.span.end))) return;
  if (shown) URL.revokeObjectURL(shown.url);
  shown = null;
  releaseVideos($("upload"));
  $("upload").replaceChildren();
  $("upload").hidden = key === null;
  $("drop").classList.toggle("compact", key !== null);
  $("drop-title").textContent = key === null ? "Drop a video here" : "Drop another video";
  if (key !== null) show(uploads.get(key));
}

function show(upload) {
  const { start, end } = state.upload;
  shown = { ...upload, url: URL.createObjectURL(upload.file) };
  const video = el("video", { muted: true, playsinline: true, autoplay: true, "aria-label": "The uploaded video" });
  video.src = shown.url;
  video.addEventListener("error", () => { // the browser does not play this format
    const preview = `/media/uploads/${upload.upload}/preview.mp4`;
    if (!video.src.endsWith(preview)) video.src = preview;
  });
  const span = (shown.span = loopSpan(video, start, end));
  $("upload").replaceChildren(
    video,
    el("div", { class: "body" },
      el("div", { class: "title" }, el("bdi", { text: upload.title, title: upload.title }), el("button", { type: "button", class: "icon", "aria-label": "Remove the video", title: "Remove the video", onclick: () => removeUpload() }, icon("close"))),
      ...trimmer(upload, video, span),
    ),
  );
  play(video);
}

/** Two handles on a line that set the start and the end of the query. */
function trimmer(upload, video, span) {
  const handle = (name, value) =>
    el("input", { type: "range", min: "0", max: String(upload.seconds), step: "0.05", value: String(value), "aria-label": name });
  const [start, end] = [handle("Start of the query", span.start), handle("End of the query", span.end)];
  const kept = el("div", { class: "kept" });
  const now = el("div", { class: "now" });
  const [from, length, to] = [el("span"), el("span"), el("span")];
  const draw = () => {
    kept.style.left = `${(100 * span.start) / upload.seconds}%`;
    kept.style.right = `${100 - (100 * span.end) / upload.seconds}%`;
    from.textContent = clock(span.start);
    to.textContent = clock(span.end);
    length.textContent = `${(span.end - span.start).toFixed(1)} s`;
    start.setAttribute("aria-valuetext", clock(span.start));
    end.setAttribute("aria-valuetext", clock(span.end));
  };
  const search = debounce(220, () => {
    if (state.upload?.key !== upload.upload) return; // it was removed meanwhile
    state.upload = { ...state.upload, ...span };
    changed("query");
  });
  const moved = (moving) => {
    const shortest = Math.min(MIN_SPAN_SECONDS, upload.seconds);
    if (moving === start) start.value = String(Math.min(Number(start.value), Number(end.value) - shortest));
    else end.value = String(Math.max(Number(end.value), Number(start.value) + shortest));
    span.start = Number(start.value);
    span.end = Math.min(upload.seconds, Number(end.value));
    video.currentTime = moving === start ? span.start : Math.max(span.start, span.end - 0.6); // play what was moved
    draw();
    search();
  };
  for (const one of [start, end]) one.addEventListener("input", () => moved(one));
  video.addEventListener("timeupdate", () => (now.style.left = `${(100 * video.currentTime) / upload.seconds}%`));
  draw();
  return [
    el("div", { class: "trim", role: "group", "aria-label": "Trim" }, el("div", { class: "track" }), kept, now, start, end),
    el("div", { class: "times" }, from, length, to),
  ];
}

$("file").addEventListener("change", (event) => event.target.files[0] && uploadFile(event.target.files[0]));
const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0; // dragenter and dragleave also come from every element that the pointer passes
addEventListener("dragenter", (event) => hasFile(event) && ($("dropping").hidden = ++depth === 0));
addEventListener("dragleave", (event) => hasFile(event) && ($("dropping").hidden = --depth <= 0));
addEventListener("dragover", (event) => hasFile(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  depth = 0;
  $("dropping").hidden = true;
  location.hash = "find";
  if (event.dataTransfer.files[0]) uploadFile(event.dataTransfer.files[0]);
});
on("query", draw);
