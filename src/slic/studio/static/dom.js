// Small helpers for elements. Text is always set as text, never parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** Create an element from attributes, `on…` listeners, `text` and children. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Create an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Return one of the icons in icons.svg. */
export function icon(id) {
  return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `/static/icons.svg#${id}` }));
}

/** Format seconds as 0:07.5 or 1:02:07. */
export function clock(seconds) {
  const whole = Math.floor(seconds + 0.05);
  const tenth = Math.floor((seconds + 0.05 - whole) * 10);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  if (hours) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${minutes}:${two(whole % 60)}${tenth ? `.${tenth}` : ""}`;
}

export const count = (number, word) =>
  `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

/** Show a message for some seconds, optionally with a button named `action` that calls `run`. */
export function toast(text, { bad = false, action = null, run = null } = {}) {
  const line = el("div", { class: bad ? "toast bad" : "toast" }, el("span", { text }));
  if (action) {
    const act = () => {
      line.remove();
      run();
    };
    line.append(el("button", { type: "button", text: action, onclick: act }));
  }
  $("toasts").replaceChildren(line);
  setTimeout(() => line.remove(), bad ? 9000 : 6000);
}

/** Return a function that calls `work` when it was not called for some milliseconds. */
export function debounce(milliseconds, work) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}
