// Requests to the studio. Every failure is thrown as an `Error` with a one-line message.

const token = document.querySelector('meta[name="slic-token"]').content;

async function checked(response) {
  if (response.ok) return response;
  let message = `The studio answered ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // The body is not JSON, so the status has to do.
  }
  throw new Error(message);
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer. Is it still running?");
  }
  return checked(response);
}

export const getJson = async (path) => (await request(path)).json();

export async function postJson(path, body, signal) {
  const headers = { "Content-Type": "application/json", "X-Slic-Token": token };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body), signal, priority: "high" })).json();
}

/** Send a file as the body of a request, and return the JSON answer. */
export async function postFile(path, file) {
  const headers = { "Content-Type": "application/octet-stream", "X-Slic-Token": token };
  return (await request(path, { method: "POST", headers, body: file })).json();
}

/** Return a file that the studio makes, and its name. */
export async function getBlob(path, fallbackName) {
  const response = await request(path);
  const named = /filename\*=utf-8''([^;]+)|filename="([^"]+)"/i.exec(response.headers.get("content-disposition") ?? "");
  return { blob: await response.blob(), name: named ? decodeURIComponent(named[1] ?? named[2]) : fallbackName };
}

/** Return a JSON head and the bytes after it, or null while the studio computes them. */
export async function getBinary(path) {
  const response = await request(path);
  if (response.status === 202) return null;
  const buffer = await response.arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { head, buffer, start: 4 + length };
}

/** Upload a file; `onProgress` receives the share that was sent, which fetch cannot report. */
export function sendFile(file, onProgress) {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open("POST", "/api/uploads");
    upload.setRequestHeader("X-Slic-Token", token);
    upload.setRequestHeader("Content-Type", "application/octet-stream");
    upload.responseType = "json";
    upload.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    upload.onerror = () => reject(new Error("The video could not be uploaded. Is the studio still running?"));
    upload.onload = () =>
      upload.status === 200
        ? resolve(upload.response)
        : reject(new Error(upload.response?.error ?? `The studio answered ${upload.status}.`));
    upload.send(file);
  });
}

// `content` identifies the video's content. Without it the browser's cache would confuse videos that have the same id in two indexes.
// `collection` is "compared" for a video of the index that is compared.
const videoUrl = (tile) => `/media/${tile.collection ?? "videos"}/${tile.video}`;

export const thumbnailUrl = (tile) => `${videoUrl(tile)}/thumbnail.webp?content=${tile.content}&at=${((tile.start + tile.end) / 2).toFixed(3)}`;

export const fileUrl = (tile) => `${videoUrl(tile)}?content=${tile.content}`;

/** Return why the studio does not send a file, or a text for when it does. */
export async function reasonNotPlayed(url) {
  try {
    const response = await request(url, { headers: { Range: "bytes=0-0" } });
    await response.body?.cancel();
    return "This browser cannot play the file.";
  } catch (error) {
    return error.message;
  }
}

/** The moment as the grid plays it: a part of the file, or a preview that the studio encodes. */
export function momentUrl(tile) {
  if (tile.plays_in_grid) return `${fileUrl(tile)}#t=${tile.start.toFixed(3)},${tile.end.toFixed(3)}`;
  return `${videoUrl(tile)}/preview.mp4?content=${tile.content}&start=${tile.start.toFixed(3)}&end=${tile.end.toFixed(3)}`;
}
