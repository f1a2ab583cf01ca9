// The moment under the pointer, playing beside it.

import { $, el } from "./dom.js";
import { caption } from "./grid.js";
import { forget, loopingVideo } from "./player.js";

/** Show a moment beside a place of the window, inside `box`. */
export function openPeek(box, tile, x, y) {
  closePeek();
  const peek = $("peek");
  peek.append(el("div", { class: "frame" }, loopingVideo(tile, { eager: true })), caption(tile));
  peek.hidden = false;
  const edges = box.getBoundingClientRect();
  const [left, top] = [x - edges.left + 18, y - edges.top + 18];
  const beyond = left + peek.offsetWidth > edges.width;
  peek.style.left = `${beyond ? Math.max(4, left - peek.offsetWidth - 36) : left}px`;
  peek.style.top = `${Math.max(4, Math.min(top, edges.height - peek.offsetHeight - 8))}px`;
}

export function closePeek() {
  forget($("peek"));
  $("peek").replaceChildren();
  $("peek").hidden = true;
}
