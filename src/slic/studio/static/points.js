// Very many points on a canvas: WebGL where there is one, else squares in two dimensions.

export const NO_COLOUR = 65535;
const HUES = [262, 48, 160, 345, 95, 205, 20, 300, 125, 235, 70, 325];

/** The colour of a code, as CSS. Codes past the palette come again, a little lighter. */
export function colour(code, dark) {
  if (code === NO_COLOUR) return dark ? "#565d66" : "#b9bcc1";
  const round = Math.floor(code / HUES.length) % 3;
  const light = (dark ? [0.76, 0.64, 0.85] : [0.56, 0.66, 0.44])[round];
  return `oklch(${light} ${[0.15, 0.1, 0.09][round]} ${HUES[code % HUES.length]})`;
}

const SHADES = HUES.length * 3;

/** The palette as bytes; its last entry is for moments without a colour. */
function palette(dark) {
  const canvas = new OffscreenCanvas(SHADES + 1, 1);
  const context = canvas.getContext("2d");
  for (let code = 0; code <= SHADES; code++) {
    context.fillStyle = colour(code === SHADES ? NO_COLOUR : code, dark);
    context.fillRect(code, 0, 1, 1);
  }
  return context.getImageData(0, 0, SHADES + 1, 1).data;
}

const VERTEX = `#version 300 es
in vec2 place; in uint code; in float picked;
uniform vec2 scale, shift; uniform float size; uniform int only; uniform bool picking; uniform sampler2D shades;
out vec4 tint;
void main() {
  gl_Position = vec4(place * scale + shift, 0.0, 1.0);
  bool none = code == ${NO_COLOUR}u;
  int shade = none ? ${SHADES} : int(code) % ${SHADES};
  bool faded = (only >= 0 && int(code) != only) || (picking && picked < 0.5);
  tint = vec4(texelFetch(shades, ivec2(shade, 0), 0).rgb, faded ? 0.1 : none ? 0.6 : 0.86);
  gl_PointSize = size * (none ? 0.85 : 1.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint; out vec4 paint;
void main() {
  float edge = length(gl_PointCoord - 0.5) * 2.0;
  float cover = 1.0 - smoothstep(0.78, 1.0, edge);
  paint = vec4(tint.rgb, 1.0) * tint.a * cover;
}`;

export class Points {
  constructor(canvas) {
    this.canvas = canvas;
    this.count = 0;
    this.only = -1;
    this.picking = false;
    this.dark = false;
    this.gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
    if (this.gl) this.prepare();
    else this.flat = canvas.getContext("2d");
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.at = (name) => gl.getUniformLocation(program, name);
    this.buffers = {};
    const whole = (place) => gl.vertexAttribIPointer(place, 1, gl.UNSIGNED_SHORT, 0, 0);
    const share = (size, type) => (place) => gl.vertexAttribPointer(place, size, type, true, 0, 0);
    for (const [name, tell] of [["place", share(2, gl.UNSIGNED_SHORT)], ["code", whole], ["picked", share(1, gl.UNSIGNED_BYTE)]]) {
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      tell(place);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** Give "place" (x and y of every point), "code" or "picked". */
  give(name, values) {
    this[name] = values;
    if (name === "place") this.count = values.length / 2;
    if (!this.gl) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.STATIC_DRAW);
  }

  paintWith(dark) {
    this.dark = dark;
    this.shades = palette(dark);
    const { gl } = this;
    if (gl) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, SHADES + 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.shades);
  }

  /** Draw with `view`: pixels of the canvas are `shift + place * scale`, y upwards. */
  draw(view) {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const size = this.size(view) * ratio;
    if (!this.gl) return this.drawFlat(view, ratio, size);
    const { gl } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    gl.uniform2f(this.at("scale"), (2 * view.scale) / width, (2 * view.scale) / height);
    gl.uniform2f(this.at("shift"), (2 * view.x) / width - 1, 1 - (2 * view.y) / height);
    gl.uniform1f(this.at("size"), size);
    gl.uniform1i(this.at("only"), this.only);
    gl.uniform1i(this.at("picking"), this.picking ? 1 : 0);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  drawFlat(view, ratio, size) {
    const { flat } = this;
    for (let i = 0; i < this.count; i++) {
      const code = this.code[i];
      const shade = 4 * (code === NO_COLOUR ? SHADES : code % SHADES);
      const faded = (this.only >= 0 && code !== this.only) || (this.picking && !this.picked[i]);
      flat.fillStyle = `rgb(${this.shades[shade]} ${this.shades[shade + 1]} ${this.shades[shade + 2]} / ${faded ? 0.1 : 0.86})`;
      const x = (view.x + (this.place[2 * i] / 65535) * view.scale) * ratio;
      const y = (view.y - (this.place[2 * i + 1] / 65535) * view.scale) * ratio;
      flat.beginPath();
      flat.arc(x, y, size / 2, 0, 7);
      flat.fill();
    }
  }

  /** Few points are drawn large, many small; nearer ones larger. */
  size(view) {
    const side = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    const zoom = view.scale / Math.max(side, 1);
    const base = Math.min(9, Math.max(1.6, (0.62 * side) / Math.sqrt(this.count + 1)));
    return Math.min(16, base * Math.sqrt(zoom));
  }
}

/** Cells of the plane with the points in them, to find the nearest to the pointer quickly. */
export class Cells {
  constructor(place) {
    this.place = place;
    this.side = 256;
    const cell = (i) => (place[2 * i] >> 8) + this.side * (place[2 * i + 1] >> 8);
    const number = place.length / 2;
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < number; i++) this.starts[cell(i) + 1]++;
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.order = new Uint32Array(number);
    for (let i = 0; i < number; i++) this.order[next[cell(i)]++] = i;
  }

  /** The point nearest to (x, y) and not farther than `reach`, or -1; all between 0 and 1. */
  nearest(x, y, reach) {
    const clamp = (value) => Math.min(this.side - 1, Math.max(0, Math.floor(value * this.side)));
    let best = -1;
    let least = reach * reach;
    for (let row = clamp(y - reach); row <= clamp(y + reach); row++) {
      for (let column = clamp(x - reach); column <= clamp(x + reach); column++) {
        const cell = column + this.side * row;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const i = this.order[at];
          const distance = (this.place[2 * i] / 65535 - x) ** 2 + (this.place[2 * i + 1] / 65535 - y) ** 2;
          if (distance < least) [best, least] = [i, distance];
        }
      }
    }
    return best;
  }

  /** Which points lie inside a polygon, as 255 or 0 each. */
  inside(polygon) {
    const picked = new Uint8Array(this.place.length / 2);
    const xs = polygon.map(([x]) => x);
    const ys = polygon.map(([, y]) => y);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < picked.length; i++) {
      const [x, y] = [this.place[2 * i] / 65535, this.place[2 * i + 1] / 65535];
      if (x >= left && x <= right && y >= low && y <= high && within(polygon, x, y)) picked[i] = 255;
    }
    return picked;
  }
}

function within(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[ax, ay], [bx, by]] = [polygon[i], polygon[j]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
