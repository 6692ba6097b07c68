// Requests to the service. A problem (RFC 9457) becomes an Error with its status.

let closed = () => {};

export function onNoToken(tell) {
  closed = tell;
}

// The Error of an answer with a problem: its status, its kind, which is the end of its type, and when to ask again.
export function asError(problem, status, text = "") {
  const error = new Error(problem.detail || `${status} ${text}`);
  error.status = status;
  error.kind = (problem.type || "").split("/").pop();
  error.retryAfter = problem.retry_after_s;
  return error;
}

async function failed(answer) {
  let problem = {};
  try { problem = await answer.json(); } catch { /* not ours: a proxy's, maybe */ }
  const error = asError(problem, answer.status, answer.statusText);
  if (answer.status === 401) closed();
  return error;
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw await failed(answer);
  return answer;
}

export async function call(path, options = {}) {
  return (await ask(path, options)).json();
}

export async function session(token) {
  await ask("session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
}

// An address that the service gave, from where this page is.
export function here(link) {
  return new URL(link, location.href).href;
}
