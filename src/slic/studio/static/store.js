// The state of the page, and the listeners to its changes.

export const state = {
  summary: null, // what /api/summary returned
  like: [], // tiles: moments as the studio describes them, or with `range` a range of a video
  unlike: [],
  upload: null, // { key, start, end }
  text: "", // what to find, in words
  weights: null, // part of a vector -> weight; null lets likes or labels set them
  weighing: null, // the weights that the last search has used, and what set them; null without a search
  scope: { where: "", lasso: [], cluster: null },
  clusterTitle: "",
  selected: new Map(), // moment -> tile
};

const listeners = new Map();

/**
 * Call `listener` after every change of a kind:
 * "query" (examples or scope), "selected", "summary", "theme", "history" (what Z would undo),
 * "labels" (of moments in sight, already redrawn) or "relabelled" (of any moments).
 */
export function on(kind, listener) {
  listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
}

export function changed(kind) {
  for (const listener of listeners.get(kind) ?? []) listener();
}

export const isLiked = (moment) => state.like.some((tile) => tile.moment === moment);
export const isUnliked = (moment) => state.unlike.some((tile) => tile.moment === moment);

/** Make moments positive ("like") or negative ("unlike") examples, or remove them if all of them are. */
export function toggleExamples(tiles, kind) {
  const other = kind === "like" ? "unlike" : "like";
  const moments = new Set(tiles.map((tile) => tile.moment));
  const all = state[kind].filter((tile) => moments.has(tile.moment)).length === tiles.length;
  state[other] = state[other].filter((tile) => !moments.has(tile.moment));
  state[kind] = state[kind].filter((tile) => !moments.has(tile.moment));
  if (!all) state[kind] = [...state[kind], ...tiles];
  changed("query");
}

export function select(tiles, wanted) {
  for (const tile of tiles) {
    if (wanted) state.selected.set(tile.moment, tile);
    else state.selected.delete(tile.moment);
  }
  changed("selected");
}

export function clearSelection() {
  state.selected.clear();
  changed("selected");
}

/** Whether there is something to search for. */
export const isSearching = () => Boolean(state.text || state.upload || state.like.length);

/** The body of a search request. */
export function searchRequest() {
  const example = ({ moment, range, video, start, end }) => (range ? { video, start, end } : { moment });
  const like = state.like.map(example);
  if (state.upload) like.unshift({ upload: state.upload.key, start: state.upload.start, end: state.upload.end });
  const unlike = state.unlike.map(example);
  return { text: state.text, like, unlike, weights: state.weights, scope: state.scope };
}
