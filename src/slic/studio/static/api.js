// What the page asks the studio. An error is one line, thrown as `Error`.

const token = document.querySelector('meta[name="slic-token"]').content;

async function answer(response) {
  if (response.ok) return response;
  let line = `The studio answered ${response.status}.`;
  try {
    line = (await response.json()).error ?? line;
  } catch {
    // no JSON: the line above has to do
  }
  throw new Error(line);
}

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer; is it still running?");
  }
  return answer(response);
}

export const get = async (path) => (await send(path)).json();

export async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json", "X-Slic-Token": token };
  return (await send(path, { method: "POST", headers, body: JSON.stringify(body), signal, priority: "high" })).json();
}

/** A JSON head and the bytes after it, or null while the studio is still making them. */
export async function packed(path) {
  const response = await send(path);
  if (response.status === 202) return null;
  const buffer = await response.arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { head, buffer, start: 4 + length };
}

/** Send a file; `progressed` is told the share that has gone. */
export function upload(file, progressed) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/uploads");
    request.setRequestHeader("X-Slic-Token", token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progressed(event.loaded / event.total);
    request.onerror = () => failed(new Error("The clip was not taken; is the studio still running?"));
    request.onload = () =>
      request.status === 200
        ? done(request.response)
        : failed(new Error(request.response?.error ?? `The studio answered ${request.status}.`));
    request.send(file);
  });
}

// The mark of the content tells the browser's cache apart what has the same number in another index.
export const still = (tile) => `/media/videos/${tile.video}/still.webp?of=${tile.mark}&at=${((tile.start + tile.end) / 2).toFixed(3)}`;

export const wholeFile = (tile) => `/media/videos/${tile.video}?of=${tile.mark}`;

export function film(tile) {
  if (tile.light) return `${wholeFile(tile)}#t=${tile.start.toFixed(3)},${tile.end.toFixed(3)}`;
  return `/media/videos/${tile.video}/film.mp4?of=${tile.mark}&start=${tile.start.toFixed(3)}&end=${tile.end.toFixed(3)}`;
}
