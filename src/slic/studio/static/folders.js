// The folders of the videos, level by level, as a control of the filter.

import { $, el, toast } from "./dom.js";
import { getJson } from "./api.js";

let facets = null; // what the studio answered for the folder that is listed
let listed = null;
let choose = () => {};

/** Call `chosen` with the path of the folder that the user wants; "" for all. */
export function chooseFolder(chosen) {
  choose = chosen;
}

/** Load what the index can be filtered by, with the folders below the one that is listed. */
export async function loadFacets(below = listed ?? "") {
  facets = await getJson(`/api/facets?below=${encodeURIComponent(below)}`);
  listed = facets.below;
  draw();
  return facets;
}

/** Show the folders below `folder`, which the filter has. */
export function drawFolders(folder) {
  if (facets && !$("filter-panel").hidden && folder !== listed && !(folder === "" && listed === facets.top)) loadFacets(folder).catch((error) => toast(error.message, { bad: true }));
}

function draw() {
  const { below, top, folders, more } = facets;
  $("folders-group").hidden = !folders.length && below === top;
  const inside = below.slice(top.length).split("/").filter(Boolean);
  const steps = inside.map((name, at) => [name, `${top}${inside.slice(0, at + 1).join("/")}/`]);
  $("folder-path").replaceChildren(
    ...[["All", ""], ...steps].map(([name, path]) => el("button", { type: "button", class: "quiet", onclick: () => choose(path) }, el("bdi", { text: name, title: path }))),
  );
  const row = (folder) =>
    el("li", {}, el("button", { type: "button", title: folder.path, onclick: () => choose(folder.path) },
      el("bdi", { text: folder.path.slice(below.length, -1) || "/" }), el("small", { text: folder.moments.toLocaleString("en") })));
  $("folders").replaceChildren(...folders.map(row), ...(more ? [el("li", { class: "hint", text: `and ${more.toLocaleString("en")} more` })] : []));
}
