// The view "Clusters": the clusters of one level, each as its medoid. They can be merged and split, and moments moved.

import { $, count, el, icon, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { setScope } from "./find.js";
import { record, undoAction } from "./history.js";
import { openScopeLabelling } from "./labelling.js";
import { loopingVideo, releaseVideos } from "./player.js";
import { changed, clearSelection, on, state } from "./store.js";

let level = null;
let clusters = []; // those shown, the largest first
const picked = new Set(); // ids

export async function showClusters() {
  const response = await getJson(`/api/clusters${level === null ? "" : `?level=${level}`}`);
  releaseVideos($("wall"));
  clusters = response.clusters;
  if (!response.levels.length) {
    $("wall").replaceChildren(el("li", { class: "empty" }, el("b", { text: "There are no clusters yet." }), "Run ", el("code", { text: `slic cluster ${state.summary.title}` }), " and reload this page."));
    return drawPicked();
  }
  level = response.level;
  drawLevels(response.levels);
  const more = response.total - clusters.length;
  $("cluster-status").textContent = more > 0 ? `the ${clusters.length} largest of ${response.total.toLocaleString("en")}` : count(response.total, "cluster");
  $("wall").replaceChildren(...clusters.map(card));
  drawPicked();
}

function drawLevels(sizes) {
  const button = (size, at) =>
    el("button", { type: "button", text: size.toLocaleString("en"), "aria-pressed": String(at === level), "aria-label": `Level ${at}: ${count(size, "cluster")}`, onclick: () => {
      level = at;
      picked.clear();
      showClusters().catch(fail);
    } });
  $("levels").replaceChildren(...sizes.map(button).reverse());
}

const titleOf = (cluster) => cluster.label ?? `cluster ${cluster.id}`;

function card(cluster) {
  const title = titleOf(cluster);
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
  const act = (name, words, iconId, onclick) => el("button", { type: "button", class: "icon", "aria-label": `${name} ${title}`, title: words, onclick }, icon(iconId));
  return el("li", { "data-cluster": String(cluster.id) },
    el("button", { type: "button", class: "cluster", "aria-label": `${title}: ${count(cluster.size, "moment")}, coherence ${cluster.coherence.toFixed(2)}`, onclick: open },
      el("div", { class: "frame", "data-size": cluster.size.toLocaleString("en") }, loopingVideo(cluster.medoid))),
    el("button", { type: "button", class: "pick", role: "checkbox", "aria-checked": "false", "aria-label": `Select ${title}`, onclick: () => pick(cluster.id) }, icon("check")),
    el("div", { class: "cluster-foot" }, el("b", { text: title, class: cluster.label ? "" : "unlabelled", title: hint }),
      cluster.size > 1 ? act("Split", "Split in two", "split", () => split(cluster, 2)) : null,
      act("Label", "Label all its moments", "label", () => openScopeLabelling(scope, cluster.size, cluster.label ?? ""))),
    el("div", { class: "meter", title: "Coherence: mean cosine similarity to the cluster's mean direction" }, share, el("span", { text: cluster.coherence.toFixed(2) })),
  );
}

// --- selected clusters ------------------------------------------------------------------------

function pick(id) {
  if (!picked.delete(id)) picked.add(id);
  drawPicked();
}

function drawPicked() {
  const known = clusters.filter(({ id }) => picked.has(id));
  picked.clear();
  for (const { id } of known) picked.add(id);
  for (const item of $("wall").querySelectorAll("[data-cluster]")) {
    const chosen = picked.has(Number(item.dataset.cluster));
    item.classList.toggle("selected", chosen);
    item.querySelector(".pick").setAttribute("aria-checked", String(chosen));
  }
  $("wall").classList.toggle("picking", picked.size > 0);
  $("cluster-actions").hidden = picked.size === 0 || $("view-clusters").hidden;
  $("cluster-count").textContent = count(picked.size, "cluster");
  $("cluster-merge").disabled = picked.size < 2;
  $("cluster-split").disabled = $("cluster-parts").disabled = picked.size !== 1;
}

const inOrderOfSize = () => clusters.filter(({ id }) => picked.has(id));

function mergePicked() {
  const [kept, ...others] = inOrderOfSize();
  const body = { level: kept.level, clusters: [kept, ...others].map(({ id }) => id) };
  change("merge", body, `${count(body.clusters.length, "cluster")} merged into ${titleOf(kept)}`);
}

const split = (cluster, parts) =>
  change("split", { cluster: { level: cluster.level, id: cluster.id }, parts }, `${titleOf(cluster)} split into ${parts}`);

// --- moving moments ---------------------------------------------------------------------------

let moving = []; // tiles

/** Ask for the cluster that moments are moved to. */
export async function openMoving(tiles) {
  const at = state.scope.cluster?.level ?? level ?? state.summary.level;
  const found = await getJson(`/api/clusters${at === null ? "" : `?level=${at}`}`);
  if (!found.levels.length) return toast("There are no clusters yet.", { bad: true });
  moving = tiles;
  $("moving").dataset.level = String(found.level);
  $("moving-title").textContent = `Move ${count(tiles.length, "moment")}`;
  const options = [["", "A new cluster"], ...found.clusters.map((cluster) => [String(cluster.id), `${titleOf(cluster)} (${count(cluster.size, "moment")})`])];
  $("moving-to").replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  $("moving").showModal();
}

function move() {
  const to = $("moving-to");
  const body = { level: Number($("moving").dataset.level), moments: moving.map(({ moment }) => moment), cluster: to.value ? Number(to.value) : null };
  clearSelection();
  change("move", body, `${count(body.moments.length, "moment")} moved to ${to.value ? to.selectedOptions[0].textContent : "a new cluster"}`);
}

// --- changes and their undo -------------------------------------------------------------------

/** Correct the clusters, and record it so that Z undoes it. */
async function change(what, body, text) {
  try {
    let last = await postJson(`/api/clusters/${what}`, body);
    const action = record({
      text,
      undo: async () => {
        await postJson("/api/clusters/undo", { change: last.change });
        if (what === "split") leave(last.clusters.slice(1));
        if (what === "move" && body.cluster === null) leave(last.clusters);
        await reload();
      },
      redo: async () => {
        last = await postJson(`/api/clusters/${what}`, body);
        await reload();
      },
    });
    if (what === "merge") leave(body.clusters.slice(1));
    picked.clear();
    toast(`${text}.`, { action: "Undo", run: () => undoAction(action) });
    await reload();
  } catch (error) {
    fail(error);
  }
}

/** Leave the scope if it is a cluster that no longer exists. */
function leave(gone) {
  if (state.scope.cluster && gone.includes(state.scope.cluster.id)) setScope({ cluster: null });
}

async function reload() {
  state.summary = await getJson("/api/summary");
  changed("summary");
  changed("relabelled");
}

const fail = (error) => toast(error.message, { bad: true });

$("cluster-merge").addEventListener("click", mergePicked);
$("cluster-split").addEventListener("click", () => split(inOrderOfSize()[0], Math.max(2, Math.round($("cluster-parts").valueAsNumber) || 2)));
$("cluster-clear").addEventListener("click", () => {
  picked.clear();
  drawPicked();
});
$("moving").querySelector("form").addEventListener("submit", move);
$("moving-cancel").addEventListener("click", () => $("moving").close());
addEventListener("hashchange", drawPicked);
on("relabelled", () => $("view-clusters").hidden || showClusters().catch(fail));
on("selected", () => ($("act-move").hidden = state.summary.level === null));
