"use strict";
// Without this script the page still shows everything; it adds playing, reading and picking.

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

function playVisibleRows() {
  const play = document.getElementById("play");
  if (!play) return;
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.target.classList.toggle("seen", entry.isIntersecting);
  });
  for (const row of document.querySelectorAll(".row")) seen.observe(row);
  play.checked = !calm;
  const update = () => document.body.classList.toggle("playing", play.checked);
  play.addEventListener("change", update);
  update();
}

function compact(value) {
  if (value === 0 || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function readChart(svg) {
  const { axis, end, series } = JSON.parse(svg.dataset.numbers);
  const outputs = svg.parentElement.querySelectorAll("output");
  const last = Array.from(outputs, (output) => output.textContent);
  const cursor = svg.querySelector(".cursor");
  const note = svg.parentElement.querySelector("b");
  const title = note.textContent;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 400;
    const step = Math.min(Math.max((x - 44) / 346, 0), 1) * end;
    let at = step;
    series.forEach((one, i) => {
      let best = 0;
      one.x.forEach((value, j) => {
        if (Math.abs(value - step) < Math.abs(one.x[best] - step)) best = j;
      });
      outputs[i].textContent = compact(one.y[best]);
      at = one.x[best];
    });
    const place = 44 + (346 * at) / end;
    cursor.setAttribute("d", `M${place} 10V192`);
    note.textContent = `${title} · ${axis} ${Math.round(at).toLocaleString("en")}`;
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("d", "");
    note.textContent = title;
    last.forEach((text, i) => { outputs[i].textContent = text; });
  });
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text; // never innerHTML: names of files are not markup
  return made;
}

function fillTip(tip, point) {
  tip.replaceChildren();
  if (point.uri) {
    const strip = element("div", "");
    strip.className = "strip";
    strip.style.cssText = `--frames:${point.frames};--seconds:${point.frames / 8}s;` +
      `aspect-ratio:${point.width}/${point.height}`;
    strip.style.backgroundImage = `url(${point.uri})`;
    tip.append(strip);
  }
  tip.append(element("strong", point.label), element("small", point.name));
  if (point.query) tip.append(element("small", "query"));
}

function exploreMap(map) {
  const points = JSON.parse(document.getElementById("map-data").textContent);
  const svg = map.querySelector("svg");
  const tip = map.querySelector(".tip");
  const marks = Array.from(svg.querySelectorAll("path"));
  const places = marks.map((mark) => mark.transform.baseVal.getItem(0).matrix);
  let near = -1;
  let picked = null;

  function show(index, box) {
    if (near >= 0) marks[near].classList.remove("near");
    near = index;
    tip.hidden = index < 0;
    if (index < 0) return;
    marks[index].classList.add("near");
    fillTip(tip, points[index]);
    const outer = map.getBoundingClientRect();
    const x = box.left - outer.left + (places[index].e / 900) * box.width;
    const y = box.top - outer.top + (places[index].f / 560) * box.height;
    const width = tip.offsetWidth, height = tip.offsetHeight;
    tip.style.left = `${Math.max(4, x + 14 + width > outer.width ? x - 14 - width : x + 14)}px`;
    tip.style.top = `${Math.max(4, y + 14 + height > outer.height ? y - 14 - height : y + 14)}px`;
  }

  function find(event) {
    const box = svg.getBoundingClientRect();
    const scale = 900 / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = -1, distance = (18 * scale) ** 2;
    places.forEach((place, i) => {
      if (picked !== null && marks[i].dataset.label !== picked) return;
      const d = (place.e - x) ** 2 + (place.f - y) ** 2;
      if (d < distance) { distance = d; best = i; }
    });
    if (best !== near) show(best, box);
  }

  svg.addEventListener("pointermove", find);
  svg.addEventListener("pointerdown", find);
  svg.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") show(-1);
  });
  for (const button of map.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      picked = picked === button.dataset.label ? null : button.dataset.label;
      show(-1);
      map.classList.toggle("picking", picked !== null);
      for (const other of map.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other.dataset.label === picked));
      }
      for (const mark of marks) mark.classList.toggle("picked", mark.dataset.label === picked);
    });
  }
}

playVisibleRows();
document.querySelectorAll(".chart svg").forEach(readChart);
document.querySelectorAll(".map").forEach(exploreMap);
