// Jobs: videos, sent once and done by the service one after the other, and pictures of whoever asked for a job.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { asError, ask, call, here } from "../service.js";

const LOOK_MS = 1000;
const EFFECTS = { none: "", blur: "blur", pixelate: "pixelate" };

// fetch does not tell how much of a body is sent.
function send(file, effect, tell) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const query = EFFECTS[effect] ? `?effect=${EFFECTS[effect]}&on=head` : "";
    request.open("POST", `api/v1/videos${query}`);
    request.setRequestHeader("Idempotency-Key", crypto.randomUUID?.() || `${Date.now()}-${Math.random()}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => tell(Math.round((100 * loaded) / total));
    request.onerror = () => failed(new Error(""));
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours: a proxy's, maybe */ }
      if (request.status === 202) done(answer); else failed(asError(answer, request.status));
    };
    request.send(file);
  });
}

export function Jobs({ words }) {
  const [jobs, setJobs] = useState([]);
  const [effect, setEffect] = useState("none");
  const [status, setStatus] = useState(null);
  const input = useRef(null);
  const look = () => call("api/v1/jobs").then(setJobs, () => {});
  useEffect(() => {
    look();
    const timer = setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  async function take(file) {
    try {
      await send(file, effect, (percent) => setStatus({ key: "uploading", values: { percent } }));
      setStatus(null);
    } catch (error) { setStatus({ error }); }
    look();
  }
  const end = (job) => ask(`api/v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {}).then(look);
  return html`<div>
    <section class="card"><h2>${words.t("job_new")}</h2><div class="row">
      <button class="main" onClick=${() => input.current.click()}>${words.t("choose_video")}</button>
      <label class="field">${words.t("effect")}
        <select value=${effect} onChange=${(event) => setEffect(event.target.value)}>
          ${Object.keys(EFFECTS).map((name) => html`<option value=${name}>${words.t(name)}</option>`)}</select></label>
      <input ref=${input} type="file" hidden accept="video/*,.mkv,.ts" aria-label=${words.t("choose_video")}
        onChange=${(event) => { const [file] = event.target.files; event.target.value = ""; if (file) take(file); }} />
    </div><p class="status soft" role="status" aria-live="polite">${words.said(status)}</p></section>
    ${jobs.length === 0 && html`<p class="soft">${words.t("job_none")}</p>`}
    ${jobs.map((job) => html`<${Row} key=${job.id} words=${words} job=${job} end=${() => end(job)} />`)}</div>`;
}

function Row({ words, job, end }) {
  const { progress, state } = job;
  const over = ["done", "failed", "cancelled"].includes(state);
  const frames = !progress ? "" : job.kind === "batch"
    ? words.t("pictures_done", { done: words.number(progress.done), total: words.number(progress.total) }) : progress.total
    ? words.t("frames", { done: words.number(progress.done), total: words.number(progress.total) })
    : words.t("frames_some", { done: words.number(progress.done) });
  return html`<section class="card"><div class="row">
      <strong class=${state === "failed" ? "bad" : state === "done" ? "good" : ""}>${words.t(state)}${
        job.position ? ` (${words.number(job.position)})` : ""}</strong>
      <span class="number">${new Date(job.created).toLocaleString(words.language)}</span>
      <span class="soft">${job.request.effect.join(", ")}</span>
      <span class="number grow">${frames}</span>
      ${job.kind !== "video" && html`<span>${words.t(`job_${job.kind}`)}</span>`}
      ${job.links.result && html`<a class="button" href=${here(job.links.result)} download>${words.t("job_result")}</a>`}
      ${job.links.video && html`<a class="button" href=${here(job.links.video)} download>${words.t("video")}</a>
        ${job.links.masks && html`<a class="button" href=${here(job.links.masks)} download>${words.t("masks_file")}</a>`}`}
      <button onClick=${end}>${words.t(over ? "forget" : "cancel")}</button></div>
    ${state === "running" && progress?.total && html`<progress max=${progress.total} value=${progress.done}
      aria-label=${frames}></progress>`}
    ${job.problem && html`<p class="bad">${words.problem(asError(job.problem, 0))}</p>`}</section>`;
}
