// Elements are made here, and text gets into them as text only.

export const $ = (id) => document.getElementById(id);

/** Make an element: attributes, `on…` listeners, `text`, and children. */
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

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** One of the icons of icons.svg. */
export function icon(name) {
  return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `/static/icons.svg#${name}` }));
}

/** Seconds as 0:07.5, or 1:02:07. */
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

/** A line at the foot of the page that goes away; an action may come with it. */
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

/** Run `work` when there was no call for some time. */
export function later(milliseconds, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}
