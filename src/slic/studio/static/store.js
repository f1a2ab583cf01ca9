// What the page knows, and who is told when it changes.

export const state = {
  about: null,
  like: [], // tiles, as the studio tells of moments
  unlike: [],
  clip: null, // { upload, start, end, title }
  within: { where: "", lasso: [], cluster: null },
  clusterTitle: "",
  selected: new Map(), // moment -> tile
};

const told = new Map();

/** Call `listener` whenever `what` changes: "query", "selected", "names", "view". */
export function on(what, listener) {
  told.set(what, [...(told.get(what) ?? []), listener]);
}

export function changed(what, ...details) {
  for (const listener of told.get(what) ?? []) listener(...details);
}

export const isLiked = (moment) => state.like.some((tile) => tile.moment === moment);
export const isUnliked = (moment) => state.unlike.some((tile) => tile.moment === moment);

/** Like or unlike moments; doing it again takes it back. */
export function judge(tiles, kind) {
  const other = kind === "like" ? "unlike" : "like";
  const moments = new Set(tiles.map((tile) => tile.moment));
  const had = state[kind].filter((tile) => moments.has(tile.moment)).length === tiles.length;
  state[other] = state[other].filter((tile) => !moments.has(tile.moment));
  state[kind] = state[kind].filter((tile) => !moments.has(tile.moment));
  if (!had) state[kind] = [...state[kind], ...tiles];
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

/** What is searched by: the clip and the likes, or nothing. */
export function query() {
  const like = state.like.map(({ moment }) => ({ moment }));
  if (state.clip) like.unshift({ upload: state.clip.upload, start: state.clip.start, end: state.clip.end });
  return { like, unlike: state.unlike.map(({ moment }) => ({ moment })), within: state.within };
}
