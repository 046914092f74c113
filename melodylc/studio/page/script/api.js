// What the server can be asked. Every error is an Error whose message is fit to be shown.

const API = "/api/v1";

/** JSON of a GET. */
export async function get(path) {
  return (await answered(fetch(API + path))).json();
}

/** JSON of a POST; `body` is a value, or a file's bytes. */
export async function post(path, body) {
  return (await answered(sent(path, body))).json();
}

/** Lines of JSON of a POST, as they come. */
export async function* lines(path, body, signal) {
  const response = await answered(sent(path, body, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) {
      const line = JSON.parse(part);
      if (line.error) throw new Error(line.error);
      yield line;
    }
  }
}

/** Where a melody's file is, with the name that it is to have. */
export function fileUrl(melody, tempo) {
  return new URL(`${API}/runs/${melody.run}/melodies/${melody.number}/${encodeURIComponent(melody.file)}?tempo=${tempo}`, location).href;
}

/** Where a run's archive is. */
export const archiveUrl = (run, tempo) => `${API}/runs/${run.run}/archive.zip?tempo=${tempo}`;

/** Where the archive of all that is kept is. */
export const keepersUrl = (tempo) => `${API}/keepers.zip?tempo=${tempo}`;

function sent(path, body, signal) {
  const bytes = body instanceof Blob;
  const headers = { "content-type": bytes ? "application/octet-stream" : "application/json" };
  return fetch(API + path, { method: "POST", headers, body: bytes ? body : JSON.stringify(body), signal });
}

async function answered(promise) {
  const response = await promise.catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio doesn't answer: is it still running in the terminal?");
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.error ?? `the studio answered ${response.status}`);
}
