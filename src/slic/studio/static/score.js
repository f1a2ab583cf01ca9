// How alike a result is: its rank, and the share of random pairs that are less alike.

import { el } from "./dom.js";

const FULL_BAR = 3; // powers of ten: one random pair of a thousand is as alike

/** Return a percentile as text, with as many digits as tell results apart. */
export function percentText(percentile) {
  if (percentile > 99.9) return "> 99.9 %";
  if (percentile < 1) return "< 1 %";
  return `${percentile.toFixed(percentile >= 99 ? 1 : 0)} %`;
}

/** Return rank, percentile and similarity of a result in words, or "" for a moment without a score. */
export function scoreWords(tile) {
  if (tile.score === null) return "";
  const words = [];
  if (tile.rank) words.push(`rank ${tile.rank}`);
  if (tile.percentile !== null && tile.percentile !== undefined) {
    const others = tile.compared_with === "moments" ? "random moments" : "random pairs of moments";
    words.push(`more alike than ${percentText(tile.percentile).replace("> ", "over ").replace("< ", "under ")} of ${others}`);
  }
  return [...words, `cosine similarity ${tile.score.toFixed(3)}`].join(", ");
}

/** The rank, a bar and the percentile. The bar is logarithmic: a third each at 90, 99 and 99.9 %. */
export function scoreBadge(tile) {
  if (tile.score === null) return null;
  const words = scoreWords(tile);
  const badge = el("span", { class: "score", title: `${words[0].toUpperCase()}${words.slice(1)}` });
  if (tile.rank) badge.append(el("b", { text: String(tile.rank) }));
  if (tile.percentile === null || tile.percentile === undefined) badge.append(tile.score.toFixed(2));
  else {
    const bar = el("i");
    const share = -Math.log10(Math.max(1 - tile.percentile / 100, 1e-9)) / FULL_BAR;
    bar.style.setProperty("--share", `${(100 * Math.min(1, share)).toFixed(0)}%`);
    badge.append(bar, percentText(tile.percentile));
  }
  return badge;
}
