// Labels as files: download them in the format of a tool, or set those of a file.

import { $, count, el, toast } from "./dom.js";
import { getBlob, getJson, postFile } from "./api.js";
import { recordChange, tell } from "./labelling.js";

let formats = null; // what /api/labels/formats returned

async function fillFormats() {
  if (formats) return;
  try {
    formats = await getJson("/api/labels/formats");
    $("export-format").replaceChildren(...formats.formats.map(({ name, title }) => el("option", { value: name, text: title })));
    showKeeps();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

const chosen = () => formats?.formats.find(({ name }) => name === $("export-format").value);

function showKeeps() {
  $("export-keeps").textContent = chosen() ? `Keeps ${chosen().keeps}.` : "";
  $("export-interface").hidden = !chosen()?.interface;
}

async function download(more = "") {
  const format = chosen();
  if (!format) return;
  try {
    const { blob, name } = await getBlob(`/api/labels/export?format=${format.name}${more}`, `labels${format.suffix}`);
    const address = URL.createObjectURL(blob);
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function importFile(file) {
  if (formats && file.size > formats.max_bytes) {
    toast(`${file.name} is too large to be imported here. Use slic labels import.`, { bad: true });
    return;
  }
  try {
    const done = await postFile(`/api/labels/import?name=${encodeURIComponent(file.name)}`, file);
    const action = await recordChange(`${count(done.moments, "label")} imported from ${file.name}`, done.change);
    if (done.unknown) toast(`${action.text}. ${count(done.unknown, "label")} of other videos left out, such as ${done.unknown_videos[0]}.`);
    else tell(action);
  } catch (error) {
    toast(error.message, { bad: true });
  } finally {
    $("import-file").value = ""; // so that the same file can be chosen again
  }
}

$("label-files").addEventListener("toggle", () => $("label-files").open && fillFormats());
$("export-format").addEventListener("change", showKeeps);
$("export").addEventListener("click", () => download());
$("export-interface").addEventListener("click", () => download("&interface=true"));
$("import-file").addEventListener("change", (event) => event.target.files[0] && importFile(event.target.files[0]));
