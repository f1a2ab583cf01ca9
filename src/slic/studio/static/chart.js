// A line chart of (step, value) points; the pointer reads the values.

import { el, svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [340, 170, 40, 22, 6];

export function lineChart({ title, note, series }) {
  const all = series.flatMap(({ points }) => points);
  const x = scale(all.map(([step]) => step), LEFT, WIDTH - 6);
  const y = scale(all.map(([, value]) => value), HEIGHT - BOTTOM, TOP, true);
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${series.map(summary).join("; ")}` },
    ...y.ticks.flatMap((value) => [
      svg("line", { class: "gridline", x1: LEFT, x2: WIDTH - 6, y1: y.at(value), y2: y.at(value) }),
      tickText(short(value), LEFT - 6, y.at(value) + 4, "end"),
    ]),
    ...x.ticks.map((value) => tickText(short(value), x.at(value), HEIGHT - 5, "middle")),
    ...series.map(({ points }, i) => curve(points.map(([step, value]) => [x.at(step).toFixed(1), y.at(value).toFixed(1)]), i)),
    cursor,
  );
  const values = series.map(() => el("output"));
  const keys = el("div", { class: "keys" }, ...series.map(({ name }, i) => el("span", { class: `own${i}` }, el("i"), `${name} `, values[i])));
  const readAt = (step) => {
    cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
    series.forEach(({ points }, i) => {
      const [at, value] = step === null ? points.at(-1) : points.reduce((a, b) => (Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a));
      values[i].textContent = short(value);
      if (step !== null) for (const end of ["x1", "x2"]) cursor.setAttribute(end, x.at(at));
    });
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    readAt(x.inverse(((event.clientX - box.left) / box.width) * WIDTH));
  });
  picture.addEventListener("pointerleave", () => readAt(null));
  readAt(null);
  return el("figure", { class: "chart" }, el("figcaption", {}, el("b", { text: title }), note), picture, keys);
}

const summary = ({ name, points }) => `${name} from ${short(points[0][1])} to ${short(points.at(-1)[1])}`;

/** A line through the points, or a dot where there is only one and a line would be invisible. */
function curve(points, i) {
  if (points.length === 1) return svg("circle", { class: `dot own${i}`, cx: points[0][0], cy: points[0][1], r: 3 });
  return svg("polyline", { class: `curve own${i}`, points: points.join(" ") });
}

function tickText(text, x, y, anchor) {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 10000) return `${(value / 1000).toFixed(0)}k`;
  return String(Number(value.toPrecision(3)));
}

/** A linear scale whose ticks are 1, 2 or 5 times a power of ten apart. */
function scale(values, from, to, widen = false) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough);
  if (widen) [low, high] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-6; tick += step) ticks.push(tick);
  return {
    ticks,
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    inverse: (pixel) => low + ((pixel - from) / (to - from)) * (high - low),
  };
}
