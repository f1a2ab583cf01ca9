// The view "Clusters": a wall of what kinds of moments there are, by level.

import { $, count, el, icon } from "./dom.js";
import { get } from "./api.js";
import { narrow } from "./find.js";
import { openNamingWithin } from "./naming.js";
import { forget, loopingVideo } from "./player.js";
import { on, state } from "./store.js";

let level = null;

export async function showClusters() {
  const answer = await get(`/api/clusters${level === null ? "" : `?level=${level}`}`);
  forget($("wall"));
  if (!answer.levels.length) {
    $("wall").replaceChildren(el("li", { class: "empty" }, el("b", { text: "Nothing is clustered yet." }), "Run ", el("code", { text: `slic cluster ${state.about.title}` }), " and load this page again."));
    return;
  }
  level = answer.level;
  drawLevels(answer.levels);
  const more = answer.total - answer.clusters.length;
  $("cluster-status").textContent = more > 0 ? `the ${answer.clusters.length} largest of ${answer.total.toLocaleString("en")}` : "";
  $("wall").replaceChildren(...answer.clusters.map(card));
}

function drawLevels(levels) {
  const button = (number, at) =>
    el("button", { type: "button", text: number.toLocaleString("en"), "aria-pressed": String(at === level), "aria-label": `Level ${at}: ${count(number, "cluster")}`, onclick: () => {
      level = at;
      showClusters();
    } });
  $("levels").replaceChildren(...levels.map(button).reverse());
}

function card(cluster) {
  const title = cluster.name ?? `cluster ${cluster.id}`;
  const share = el("i");
  share.style.setProperty("--share", `${Math.max(0, 100 * cluster.coherence).toFixed(0)}%`);
  const name = el("b", { text: title, class: cluster.name ? "" : "unnamed", title: cluster.name ? `${(100 * cluster.name_share).toFixed(0)} % are named so` : "not named" });
  const within = { cluster: { level: cluster.level, id: cluster.id } };
  const open = () => {
    state.clusterTitle = title;
    state.like = [];
    state.unlike = [];
    location.hash = "find";
    narrow(within);
  };
  return el("li", {},
    el("button", { type: "button", class: "cluster", "aria-label": `${title}: ${count(cluster.size, "moment")}, coherence ${cluster.coherence.toFixed(2)}`, onclick: open },
      el("div", { class: "frame", "data-size": cluster.size.toLocaleString("en") }, loopingVideo(cluster.medoid))),
    el("div", { class: "cluster-foot" }, name,
      el("button", { type: "button", class: "icon", "aria-label": `Name ${title}`, title: "Name all its moments", onclick: () => openNamingWithin(within, cluster.size, cluster.name ?? "") }, icon("name"))),
    el("div", { class: "meter", title: "Coherence: mean cosine similarity to the cluster's mean direction" }, share, el("span", { text: cluster.coherence.toFixed(2) })),
  );
}

on("renamed", () => $("view-clusters").hidden || showClusters());
