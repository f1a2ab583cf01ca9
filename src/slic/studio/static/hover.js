// The card on the map that plays the moment under the pointer.

import { $, el } from "./dom.js";
import { caption } from "./grid.js";
import { loopingVideo, releaseVideos } from "./player.js";

/** Show a moment beside a position of the window, inside `container`. */
export function openHoverCard(container, tile, x, y) {
  closeHoverCard();
  const card = $("hover-card");
  card.append(el("div", { class: "frame" }, loopingVideo(tile, { eager: true })), caption(tile));
  card.hidden = false;
  const edges = container.getBoundingClientRect();
  const [left, top] = [x - edges.left + 18, y - edges.top + 18];
  const beyond = left + card.offsetWidth > edges.width;
  card.style.left = `${beyond ? Math.max(4, left - card.offsetWidth - 36) : left}px`;
  card.style.top = `${Math.max(4, Math.min(top, edges.height - card.offsetHeight - 8))}px`;
}

export function closeHoverCard() {
  releaseVideos($("hover-card"));
  $("hover-card").replaceChildren();
  $("hover-card").hidden = true;
}
