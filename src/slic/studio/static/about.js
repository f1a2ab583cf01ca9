// The dialog "About this index": what it was made with, what it holds, and what was refused.

import { $, count, el, toast } from "./dom.js";
import { getJson } from "./api.js";

/** Open the dialog; with `refused`, at the files that cannot be used. */
export async function openAbout({ refused = false } = {}) {
  try {
    const { indexes } = await getJson("/api/about");
    $("about-body").replaceChildren(...indexes.map(section));
    $("about").showModal();
    $("about").scrollTop = 0; // not at the button, which has the focus
    if (refused) $("about").querySelector(".refused")?.scrollIntoView();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function section(about) {
  const { settings, encoder } = about;
  const parts = Object.entries(settings.vectors).map(([name, size]) => `${name} (${size.toLocaleString("en")} numbers)`);
  const chosen = Object.entries(encoder?.arguments ?? {}).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  const facts = [
    ["Folder", about.folder],
    ["Encoder", encoder ? encoder.backbone : "its files are missing"],
    ["Fingerprint", settings.encoder],
    ["Clip", encoder?.clip],
    ["Settings", chosen.join(", ")],
    [parts.length === 1 ? "Vector" : "Vectors", parts.join(", ")],
    ["Moment", `${settings.window_seconds} s long, one every ${settings.stride_seconds} s`],
    ["Vector store", settings.store],
    ["Holds", `${count(about.videos, "video")}, ${count(about.moments, "moment")}`],
    ["Clusters", about.levels.length ? `${about.levels.map((size) => size.toLocaleString("en")).join(", ")} by level; level ${about.level} is shown` : "none yet; run slic cluster"],
    ["Created", about.created === null ? "not known" : time(about.created)],
    ["Changed", `${time(about.changed)}, generation ${about.generation.toLocaleString("en")}`],
  ];
  return el("section", {},
    el("dl", {}, ...facts.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, el("bdi", { text: value }))))),
    refusedFiles(about),
  );
}

function refusedFiles({ refused, refused_total: total }) {
  if (!total) return el("p", { class: "hint", text: "No file was refused by the last update." });
  const more = total - refused.length;
  return el("details", { class: "refused", open: true },
    el("summary", { text: `${count(total, "file")} cannot be used` }),
    el("ul", {}, ...refused.map(({ path, reason }) => el("li", {}, el("bdi", { text: path }), el("small", { text: reason })))),
    more ? el("p", { class: "hint", text: `and ${more.toLocaleString("en")} more` }) : null,
  );
}

const time = (seconds) => new Date(1000 * seconds).toLocaleString();

$("about-open").addEventListener("click", () => openAbout());
