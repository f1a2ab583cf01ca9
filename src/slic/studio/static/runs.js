// The view "Runs": pretraining runs with their curves.

import { $, count, el } from "./dom.js";
import { getJson } from "./api.js";
import { lineChart } from "./chart.js";

export async function showRuns() {
  const { runs } = await getJson("/api/runs");
  $("runs-list").replaceChildren(...(runs.length ? runs.map(card) : [el("p", { class: "empty" }, el("b", { text: "There are no runs yet." }), "A run of ", el("code", { text: "slic pretrain" }), " in this folder appears after its first step.")]));
}

function card(run) {
  const duration = run.seconds < 90 ? `${run.seconds} s` : `${Math.round(run.seconds / 60)} min`;
  const facts = [count(run.steps, "step"), duration, ...(run.loss === null ? [] : [`loss ${run.loss.toFixed(3)}`])];
  return el("article", { class: "run" },
    el("div", { class: "head" }, el("h2", { text: run.name }), el("span", { class: run.finished ? "badge done" : "badge", text: run.finished ? "finished" : "not finished" }), el("span", { class: "hint", text: facts.join(" · ") })),
    el("div", { class: "charts" }, ...run.curves.map(lineChart)),
  );
}
