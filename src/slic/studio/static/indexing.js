// What is indexed so far, while the studio indexes a collection.

import { $, count, el, toast } from "./dom.js";
import { getJson } from "./api.js";
import { openAbout } from "./about.js";
import { hasSpace, refresh, showCounts } from "./find.js";
import { changed, on, state } from "./store.js";

const POLL_MILLISECONDS = 1000;
const PHASES = { scanning: "Looking for videos", embedding: "Indexing", clustering: "Grouping the moments into clusters", stopped: "Indexing was stopped", failed: "Indexing failed" };
let shown = 0; // moments when the grid was loaded

/** Follow the indexing until it ends. */
export function followIndexing() {
  shown = state.summary.moments;
  draw();
  if (state.summary.indexing?.running) setTimeout(poll, POLL_MILLISECONDS);
}

async function poll() {
  try {
    const { videos, moments, indexing } = await getJson("/api/indexing");
    Object.assign(state.summary, { videos, moments, indexing });
    if (!indexing.running) return await finish();
    draw();
    if (moments > shown && hasSpace()) await reload();
  } catch {
    // The studio may be busy, or have ended, which the next click tells.
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

async function reload() {
  shown = state.summary.moments;
  await refresh();
  draw();
}

async function finish() {
  state.summary = await getJson("/api/summary");
  changed("summary");
  if (hasSpace()) await reload();
  else draw(); // what the user looks at stays
  if (state.summary.indexing.phase === "finished") toast(`All videos are indexed: ${count(state.summary.moments, "moment")}.`);
}

/** The speed and the time left, once they are known. */
function pace({ per_second: speed, seconds_left: left }) {
  if (!speed || left === null) return [];
  const number = speed < 10 ? speed.toFixed(1) : Math.round(speed).toLocaleString("en");
  return [`${number} a second`, `${duration(left)} left`];
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function draw() {
  const indexing = state.summary.indexing;
  const fresh = state.summary.moments - shown;
  $("indexing").hidden = !indexing || (indexing.phase === "finished" && !indexing.refused && !fresh);
  if ($("indexing").hidden) return;
  const { phase, done, total, refused, message } = indexing;
  const bar = el("progress", { class: "progress", "aria-label": "Indexing" });
  if (total) Object.assign(bar, { max: total, value: done });
  showCounts();
  const words = [phase === "finished" ? "Indexed" : PHASES[phase]];
  if (phase === "embedding") words.push(`${done.toLocaleString("en")} of ${count(total, "moment")}`, ...pace(indexing));
  $("indexing").replaceChildren(
    el("span", { text: message ? `${words[0]}: ${message}` : words.join(" · "), role: "status" }),
    ...(indexing.running ? [bar] : []),
    ...(refused ? [el("button", { type: "button", class: "quiet", text: `${count(refused, "file")} cannot be used`, onclick: () => openAbout({ refused: true }) })] : []),
    ...(fresh > 0 && !hasSpace() ? [el("button", { type: "button", text: `Show ${count(fresh, "new moment")}`, onclick: reload })] : []),
  );
}

on("query", () => {
  shown = state.summary.moments; // Find loads anew
  draw();
});
