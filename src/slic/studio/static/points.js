// Millions of points on a canvas, drawn with WebGL, or with the 2D context where there is no WebGL.

export const NO_COLOUR = 65535;
const HUES = [262, 48, 160, 345, 95, 205, 20, 300, 125, 235, 70, 325];

/** The CSS colour of a code. Hues repeat after 12 codes with another lightness, colours after 36. */
export function colour(code, dark) {
  if (code === NO_COLOUR) return dark ? "#565d66" : "#b9bcc1";
  const round = Math.floor(code / HUES.length) % 3;
  const light = (dark ? [0.76, 0.64, 0.85] : [0.56, 0.66, 0.44])[round];
  return `oklch(${light} ${[0.15, 0.1, 0.09][round]} ${HUES[code % HUES.length]})`;
}

const SHADES = HUES.length * 3;

/** The palette as RGBA bytes; the last entry is for moments without a colour. */
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
in vec2 position; in uint code; in float inside;
uniform vec2 scale, shift; uniform float size; uniform int only; uniform bool lassoed; uniform sampler2D shades;
out vec4 tint;
void main() {
  gl_Position = vec4(position * scale + shift, 0.0, 1.0);
  bool none = code == ${NO_COLOUR}u;
  int shade = none ? ${SHADES} : int(code) % ${SHADES};
  bool faded = (only >= 0 && int(code) != only) || (lassoed && inside < 0.5);
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
    this.only = -1; // the code that is not faded, or -1 for all
    this.lassoed = false; // whether points outside the lasso are faded
    this.dark = false;
    this.gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
    if (this.gl) this.prepare();
    else this.context = canvas.getContext("2d");
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
    this.uniform = (name) => gl.getUniformLocation(program, name);
    this.buffers = {};
    const integer = (at) => gl.vertexAttribIPointer(at, 1, gl.UNSIGNED_SHORT, 0, 0);
    const normalised = (size, type) => (at) => gl.vertexAttribPointer(at, size, type, true, 0, 0);
    for (const [name, describe] of [["position", normalised(2, gl.UNSIGNED_SHORT)], ["code", integer], ["inside", normalised(1, gl.UNSIGNED_BYTE)]]) {
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      describe(at);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** Set "position" (x and y of every point), "code", or "inside" (the lasso: 255 or 0). */
  setData(name, values) {
    this[name] = values;
    if (name === "position") this.count = values.length / 2;
    if (!this.gl) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.STATIC_DRAW);
  }

  setTheme(dark) {
    this.dark = dark;
    this.shades = palette(dark);
    const { gl } = this;
    if (gl) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, SHADES + 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.shades);
  }

  /** Draw the points at the pixels (view.x + x * view.scale, view.y - y * view.scale). */
  draw(view) {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const size = this.size(view) * ratio;
    if (!this.gl) return this.drawWithoutWebGl(view, ratio, size);
    const { gl } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    gl.uniform2f(this.uniform("scale"), (2 * view.scale) / width, (2 * view.scale) / height);
    gl.uniform2f(this.uniform("shift"), (2 * view.x) / width - 1, 1 - (2 * view.y) / height);
    gl.uniform1f(this.uniform("size"), size);
    gl.uniform1i(this.uniform("only"), this.only);
    gl.uniform1i(this.uniform("lassoed"), this.lassoed ? 1 : 0);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  drawWithoutWebGl(view, ratio, size) {
    const { context } = this;
    for (let i = 0; i < this.count; i++) {
      const code = this.code[i];
      const shade = 4 * (code === NO_COLOUR ? SHADES : code % SHADES);
      const faded = (this.only >= 0 && code !== this.only) || (this.lassoed && !this.inside[i]);
      context.fillStyle = `rgb(${this.shades[shade]} ${this.shades[shade + 1]} ${this.shades[shade + 2]} / ${faded ? 0.1 : 0.86})`;
      const x = (view.x + (this.position[2 * i] / 65535) * view.scale) * ratio;
      const y = (view.y - (this.position[2 * i + 1] / 65535) * view.scale) * ratio;
      context.beginPath();
      context.arc(x, y, size / 2, 0, 7);
      context.fill();
    }
  }

  /** The diameter of a point in pixels: smaller for more points, larger when zoomed in. */
  size(view) {
    const side = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    const zoom = view.scale / Math.max(side, 1);
    const base = Math.min(9, Math.max(1.6, (0.62 * side) / Math.sqrt(this.count + 1)));
    return Math.min(16, base * Math.sqrt(zoom));
  }
}

/** The points sorted into cells of the plane, to find the one nearest to the pointer quickly. */
export class PointGrid {
  constructor(position) {
    this.position = position;
    this.side = 256;
    const cell = (i) => (position[2 * i] >> 8) + this.side * (position[2 * i + 1] >> 8);
    const number = position.length / 2;
    // A counting sort: the points of cell c are order[starts[c]] to order[starts[c + 1] - 1].
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < number; i++) this.starts[cell(i) + 1]++;
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.order = new Uint32Array(number);
    for (let i = 0; i < number; i++) this.order[next[cell(i)]++] = i;
  }

  /** The point nearest to (x, y) within `reach`, or -1; the plane is the unit square. */
  nearest(x, y, reach) {
    const clamp = (value) => Math.min(this.side - 1, Math.max(0, Math.floor(value * this.side)));
    let best = -1;
    let least = reach * reach;
    for (let row = clamp(y - reach); row <= clamp(y + reach); row++) {
      for (let column = clamp(x - reach); column <= clamp(x + reach); column++) {
        const cell = column + this.side * row;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const i = this.order[at];
          const distance = (this.position[2 * i] / 65535 - x) ** 2 + (this.position[2 * i + 1] / 65535 - y) ** 2;
          if (distance < least) [best, least] = [i, distance];
        }
      }
    }
    return best;
  }

  /** For each point, 255 if it lies inside a polygon, else 0. */
  inside(polygon) {
    const inside = new Uint8Array(this.position.length / 2);
    const xs = polygon.map(([x]) => x);
    const ys = polygon.map(([, y]) => y);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < inside.length; i++) {
      const [x, y] = [this.position[2 * i] / 65535, this.position[2 * i + 1] / 65535];
      if (x >= left && x <= right && y >= low && y <= high && contains(polygon, x, y)) inside[i] = 255;
    }
    return inside;
  }
}

/** Even-odd rule: count the edges that a ray from the point crosses. */
function contains(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[ax, ay], [bx, by]] = [polygon[i], polygon[j]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
