// The view "Clusters": the clusters of one level, each as its medoid.

import { $, count, el, icon } from "./dom.js";
import { getJson } from "./api.js";
import { setScope } from "./find.js";
import { openScopeLabelling } from "./labelling.js";
import { loopingVideo, releaseVideos } from "./player.js";
import { on, state } from "./store.js";

let level = null;

export async function showClusters() {
  const response = await getJson(`/api/clusters${level === null ? "" : `?level=${level}`}`);
  releaseVideos($("wall"));
  if (!response.levels.length) {
    $("wall").replaceChildren(el("li", { class: "empty" }, el("b", { text: "There are no clusters yet." }), "Run ", el("code", { text: `slic cluster ${state.summary.title}` }), " and reload this page."));
    return;
  }
  level = response.level;
  drawLevels(response.levels);
  const more = response.total - response.clusters.length;
  $("cluster-status").textContent = more > 0 ? `the ${response.clusters.length} largest of ${response.total.toLocaleString("en")}` : "";
  $("wall").replaceChildren(...response.clusters.map(card));
}

function drawLevels(sizes) {
  const button = (size, at) =>
    el("button", { type: "button", text: size.toLocaleString("en"), "aria-pressed": String(at === level), "aria-label": `Level ${at}: ${count(size, "cluster")}`, onclick: () => {
      level = at;
      showClusters();
    } });
  $("levels").replaceChildren(...sizes.map(button).reverse());
}

function card(cluster) {
  const title = cluster.label ?? `cluster ${cluster.id}`;
  const share = el("i");
  share.style.setProperty("--share", `${Math.max(0, 100 * cluster.coherence).toFixed(0)}%`);
  const hint = cluster.label ? `${(100 * cluster.label_share).toFixed(0)} % have this label` : "no label";
  const scope = { cluster: { level: cluster.level, id: cluster.id } };
  const open = () => {
    state.clusterTitle = title;
    state.like = [];
    state.unlike = [];
    location.hash = "find";
    setScope(scope);
  };
  return el("li", {},
    el("button", { type: "button", class: "cluster", "aria-label": `${title}: ${count(cluster.size, "moment")}, coherence ${cluster.coherence.toFixed(2)}`, onclick: open },
      el("div", { class: "frame", "data-size": cluster.size.toLocaleString("en") }, loopingVideo(cluster.medoid))),
    el("div", { class: "cluster-foot" }, el("b", { text: title, class: cluster.label ? "" : "unlabelled", title: hint }),
      el("button", { type: "button", class: "icon", "aria-label": `Label ${title}`, title: "Label all its moments", onclick: () => openScopeLabelling(scope, cluster.size, cluster.label ?? "") }, icon("label"))),
    el("div", { class: "meter", title: "Coherence: mean cosine similarity to the cluster's mean direction" }, share, el("span", { text: cluster.coherence.toFixed(2) })),
  );
}

on("relabelled", () => $("view-clusters").hidden || showClusters());
