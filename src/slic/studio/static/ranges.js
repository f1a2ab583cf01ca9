// Labels of time ranges of a video.

import { clock, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { record, undoAction } from "./history.js";
import { changed, state } from "./store.js";

/**
 * Label a range of a video, or remove the labels in it (null), so that Z undoes it.
 *
 * `body` has start, end and label. `reload` is called whenever the labels of the video have changed.
 */
export async function labelRange(video, body, reload) {
  const send = () => postJson(`/api/videos/${video}/labels`, body);
  const show = async () => {
    state.summary = await getJson("/api/summary");
    changed("summary");
    changed("relabelled");
    await reload();
  };
  let last = await send();
  const where = `${clock(body.start)}–${clock(body.end)}`;
  if (!last.segments) return toast(`There is no label in ${where}.`);
  const text = body.label === null ? `Labels removed from ${where}` : `${where} labelled “${body.label}”`;
  const action = record({
    text,
    undo: () => postJson("/api/undo", { change: last.change }).then(show),
    redo: async () => {
      last = await send();
      await show();
    },
  });
  toast(`${text}.`, { action: "Undo", run: () => undoAction(action) });
  return show();
}
