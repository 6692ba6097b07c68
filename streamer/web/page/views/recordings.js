// Recordings and clips of the service's cameras: watched, downloaded, removed.
import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { ask, call, here } from "../service.js";

const LOOK_MS = 2000;

export function Recordings({ words }) {
  const [files, setFiles] = useState([]);
  const [removed, setRemoved] = useState([]);
  const [status, setStatus] = useState(null);
  const look = () => {
    call("api/v1/recordings").then(setFiles, () => {});
    call("api/v1/recordings/removed").then(setRemoved, () => {});
  };
  useEffect(() => {
    look();
    const timer = setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  async function remove(file) {
    try {
      await ask(`api/v1/recordings/${file.file}`, { method: "DELETE" });
      setStatus({ key: "removed", values: { name: file.file } });
    } catch (error) { setStatus({ error }); }
    look();
  }
  if (!files.length && !removed.length && !status) return null;
  return html`<section class="card after"><h2>${words.t("recordings")}</h2>
    <p class="status soft" role="status" aria-live="polite">${words.said(status)}</p>
    <ul class="plain spaced">${files.map((file) => html`<${Row} key=${file.file} words=${words} file=${file}
      remove=${() => remove(file)} />`)}</ul>
    ${removed.length > 0 && html`<details><summary>${words.t("made_room", { count: words.number(removed.length) })}</summary>
      <ul class="plain spaced">${removed.map((file) => html`<li key=${file.file} class="soft">${named(words, file)}, ${
        words.t("megabytes", { size: words.number(file.size_bytes / 1e6, 1) })}, ${
        new Date(file.removed).toLocaleString(words.language)}</li>`)}</ul></details>`}</section>`;
}

const named = (words, file) => `${words.t(file.kind)}${words.language === "zh" ? "：" : ", "}${file.source}`;


function Row({ words, file, remove }) {
  const [sure, setSure] = useState(false);
  const [shown, setShown] = useState(false);
  const about = named(words, file);
  return html`<li class="file"><div class="row">
      <strong>${about}</strong>
      <span class="number">${new Date(file.changed).toLocaleString(words.language)}</span>
      <span class="number grow">${file.writing ? words.t("being_written") : words.t("megabytes", { size: words.number(file.size_bytes / 1e6, 1) })}</span>
      <button aria-expanded=${shown} onClick=${() => setShown(!shown)}>${words.t(shown ? "close" : "watch")}</button>
      <a class="button" href=${here(file.link)} download=${file.file}>${words.t("download")}</a>
      <button disabled=${file.writing} onClick=${() => (sure ? remove() : setSure(true))} onBlur=${() => setSure(false)}
        class=${sure ? "bad" : ""}>${words.t(sure ? "remove_sure" : "remove")}</button></div>
    ${shown && html`<div class="stage"><video controls autoplay muted src=${here(file.link)} aria-label=${about}></video></div>`}</li>`;
}
