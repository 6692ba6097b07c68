// Live: a camera of the service, or this browser's own. Pictures and masks come together and are blended here.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { ask, call, here } from "../service.js";
import { colours, draw, inflate, split } from "../maps.js";
import { Recordings } from "./recordings.js";

const CREDIT = 2;
const STALE_MS = 1000;
// Of masks as they were shown, for the median and the 95th percentile.
const MAX_AGES = 100;
const SMALL = { width: 448, height: 256 };

export function Live({ words, labels }) {
  const [sources, setSources] = useState(null);
  const [source, setSource] = useState("");
  const [stream, setStream] = useState(null);
  const [own, setOwn] = useState(false);
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    call("api/v1/sources").then((found) => { setSources(found); setSource(found[0] || ""); }, () => setSources([]));
    call("api/v1/streams").then((found) => found.length && setStream(found[0]), () => {});
  }, [labels]);
  async function start() {
    setFailed(null);
    try {
      setStream(await call("api/v1/streams", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ source }),
      }));
    } catch (error) { setFailed(error); }
  }
  async function stop() {
    const { id } = stream;
    setStream(null);
    await ask(`api/v1/streams/${id}`, { method: "DELETE" }).catch(() => {});
  }
  return html`<div>
    <section class="card"><div class="row">
      ${sources?.length > 0 && html`<label class="field">${words.t("source")}
        <select value=${source} onChange=${(event) => setSource(event.target.value)}>
          ${sources.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
        ${stream ? html`<button onClick=${stop}>${words.t("stop")}</button>`
          : html`<button class="main" disabled=${own} onClick=${start}>${words.t("start")}</button>`}`}
      ${sources?.length === 0 && html`<p class="soft">${words.t("no_sources")}</p>`}
      <button aria-pressed=${own} disabled=${Boolean(stream)} onClick=${() => setOwn(!own)}>
        ${words.t(own ? "stop" : "own_camera")}</button>
    </div>${failed && html`<p class="bad" role="alert">${words.problem(failed)}</p>`}</section>
    ${stream && labels && html`<${Shown} key=${stream.id} words=${words} labels=${labels} feed=${(hand) => camera(stream.id, hand)}>
      ${(now) => html`<${Saving} words=${words} id=${stream.id} now=${now} />`}</${Shown}>`}
    ${own && labels && html`<${Shown} key="own" words=${words} labels=${labels} feed=${webcam} />`}
    <${Recordings} words=${words} />
  </div>`;
}

// A stream of the service: one WebSocket; a credit for each picture that was drawn. Hidden, it asks for nothing.
function camera(id, hand) {
  const socket = new WebSocket(new URL(`api/v1/streams/${id}/live`, location.href.replace(/^http/, "ws")));
  socket.binaryType = "arraybuffer";
  let owed = 0;
  const give = (credit) => {
    if (document.hidden || socket.readyState !== WebSocket.OPEN) owed += credit;
    else socket.send(JSON.stringify({ credit }));
  };
  const turn = () => { if (!document.hidden && owed) { const credit = owed; owed = 0; give(credit); } };
  socket.onopen = () => give(CREDIT);
  socket.onclose = (event) => hand({ ended: event.reason || " " });
  socket.onmessage = async ({ data }) => {
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    if (head.ended) { hand({ ended: head.ended }); return; }
    if (head.restarting) { hand({ restarting: head.restarting }); return; }
    if (!head.jpeg) { hand({ stats: head.stats, recording: head.recording }); return; }
    const jpeg = new Uint8Array(data, 4 + length, head.jpeg);
    const packed = new Uint8Array(data, 4 + length + head.jpeg, head.masks);
    const [picture, maps] = await Promise.all([
      createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })),
      head.map ? inflate(packed).then((bytes) => split(bytes, head.map.width, head.map.height)) : null,
    ]);
    hand({ picture, maps, head, stats: head.stats, recording: head.recording });
    picture.close();
    give(1);
  };
  document.addEventListener("visibilitychange", turn);
  return () => { document.removeEventListener("visibilitychange", turn); socket.onclose = null; socket.close(); };
}

// The browser's own camera: its video stays here; small pictures go out one by one, and masks come back.
function webcam(hand) {
  let over = false;
  let stream = null;
  let newest = null;
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  const small = document.createElement("canvas");
  const ages = [];
  let parsed = 0;
  let began = performance.now();

  async function parse() {
    while (!over) {
      if (document.hidden || !video.videoWidth) { await new Promise((done) => setTimeout(done, 200)); continue; }
      small.width = SMALL.width;
      small.height = Math.round((SMALL.width * video.videoHeight) / video.videoWidth);
      small.getContext("2d").drawImage(video, 0, 0, small.width, small.height);
      const taken = performance.now();
      const blob = await new Promise((done) => small.toBlob(done, "image/jpeg", 0.85));
      try {
        const answer = await ask(`api/v1/parse?view=maps&size=${SMALL.height}x${SMALL.width}`, {
          method: "POST", headers: { "Content-Type": "image/jpeg", "Cache-Control": "no-store" }, body: blob,
        });
        const [, width, height] = /width=(\d+); height=(\d+)/.exec(answer.headers.get("Content-Type"));
        const bytes = await inflate(await answer.arrayBuffer());
        newest = { maps: split(bytes, Number(width), Number(height)), taken };
        parsed += 1;
      } catch (error) {
        if (!over) await new Promise((done) => setTimeout(done, 1000 * (error.retryAfter || 1)));
      }
    }
  }
  function show() {
    if (over) return;
    const now = performance.now();
    const fresh = newest && now - newest.taken < STALE_MS;
    if (fresh) ages.push((now - newest.taken) / 1000);
    while (ages.length > MAX_AGES) ages.shift();
    const sorted = [...ages].sort((one, other) => one - other);
    const quantile = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? null;
    const hz = (1000 * parsed) / Math.max(1, now - began);
    if (now - began > 5000) { began = now - 1000; parsed = Math.round(hz); }
    hand({
      picture: video, maps: fresh ? newest.maps : null,
      head: { people: [], picture: { width: video.videoWidth, height: video.videoHeight }, label_set: "cihp" },
      stats: { parsed_hz: hz, mask_age_p50_s: quantile(0.5), mask_age_p95_s: quantile(0.95) },
    });
    video.requestVideoFrameCallback(show);
  }
  if (!navigator.mediaDevices) { hand({ failed: "no_camera" }); return () => {}; }
  navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, frameRate: { ideal: 30 } } }).then(async (got) => {
    stream = got;
    if (over) { stream.getTracks().forEach((track) => track.stop()); return; }
    video.srcObject = got;
    await video.play();
    video.requestVideoFrameCallback(show);
    parse();
  }, () => hand({ failed: "camera_refused" }));
  return () => { over = true; stream?.getTracks().forEach((track) => track.stop()); };
}

function Shown({ words, labels, feed, children }) {
  const canvas = useRef(null);
  const look = useRef({ opacity: 0.55, outline: true, numbers: true, hidden: new Set(), absent: new Set() });
  const times = useRef([]);
  const [, again] = useState(0);
  const [stats, setStats] = useState(null);
  const [ended, setEnded] = useState("");
  const [restarting, setRestarting] = useState("");
  const [failed, setFailed] = useState("");
  const [seen, setSeen] = useState([]);
  const [recording, setRecording] = useState(null);

  useEffect(() => {
    let told = 0;
    const classes = new Set();
    return feed((item) => {
      if (item.failed) { setFailed(item.failed); return; }
      if (item.ended) { setEnded(item.ended); return; }
      setRestarting(item.restarting || "");
      setRecording(item.recording || null);
      if (item.picture && canvas.current) {
        const { head } = item;
        if (canvas.current.width !== head.picture.width) {
          canvas.current.width = head.picture.width;
          canvas.current.height = head.picture.height;
        }
        const scale = head.frame_size ? head.picture.width / head.frame_size.width : 1;
        const people = head.people.map((each, index) => ({
          id: each.id, number: index + 1, box: each.box.map((side) => side * scale) }));
        draw(canvas.current, item.picture, item.maps, colours(labels[head.label_set || "cihp"]), look.current, people);
        const now = performance.now();
        times.current.push(now);
        while (times.current[0] < now - 2000) times.current.shift();
        canvas.current.dataset.shown = Number(canvas.current.dataset.shown || 0) + 1;
        item.maps?.labels.forEach((id) => { if (id && !classes.has(id)) classes.add(id); });
        if (now - told > 500) {
          told = now;
          setStats({ ...item.stats, shown: times.current.length / 2 });
          setSeen([...classes].sort((one, other) => one - other).map((id) => [id, head.label_set || "cihp"]));
        }
      }
    });
  }, []);
  const change = (values) => { look.current = { ...look.current, ...values }; again((count) => count + 1); };
  const toggle = (id) => {
    const hidden = new Set(look.current.hidden);
    if (!hidden.delete(id)) hidden.add(id);
    change({ hidden });
  };
  const milliseconds = (seconds) => words.number(1000 * seconds);
  return html`<div class="columns wide"><div>
    <div class="stage"><canvas ref=${canvas} id="live" width="640" height="360" role="img" aria-label=${words.t("live")}></canvas></div>
    <p class="status soft" role="status">${failed ? words.t(failed) : ended ? words.t("ended", { why: ended })
      : restarting ? words.t("restarting", { why: restarting })
      : stats ? `${words.t("rates", { shown: words.number(stats.shown, 1), parsed: words.number(stats.parsed_hz, 1) })}${
        words.language === "zh" ? "。" : ". "}${
        stats.mask_age_p50_s === null || stats.parsed === 0 ? words.t("no_masks")
          : words.t("age", { age: milliseconds(stats.mask_age_p50_s), p95: milliseconds(stats.mask_age_p95_s) })}`
        : words.t("connecting")}</p>
    ${children?.(recording)}</div>
    <section class="card"><label class="field"><span>${words.t("opacity")}</span>
      <input type="range" min="0" max="1" step="0.01" value=${look.current.opacity} aria-label=${words.t("opacity")}
        onInput=${(event) => change({ opacity: Number(event.target.value) })} /></label>
      <div class="row">${["outline", "numbers"].map((name) => html`<label class="field"><input type="checkbox"
        checked=${look.current[name]} onChange=${() => change({ [name]: !look.current[name] })} />${words.t(name)}</label>`)}</div>
      <ul class="plain">${seen.map(([id, set]) => html`<li><label><input type="checkbox"
        checked=${!look.current.hidden.has(id)} onChange=${() => toggle(id)} />
        <span class="swatch" style=${{ background: labels[set][id].colour }}></span>
        <span class="grow">${words.label(labels[set][id].name)}</span></label></li>`)}</ul></section></div>`;
}

// `now` is the file that the stream says it records into: it may have ended by itself.
function Saving({ words, id, now }) {
  const [recording, setRecording] = useState(now);
  const [told, setTold] = useState(null);
  const [link, setLink] = useState("");
  const asked = useRef(now);
  useEffect(() => {
    if (!now && asked.current) {
      setTold({ key: "recording_ended", values: { name: asked.current } });
      setLink("");
    }
    asked.current = now;
    setRecording(now);
  }, [now]);
  async function does(work) {
    try { await work(); } catch (error) { setTold({ error }); setLink(""); }
  }
  const saved = ({ file, link: at }) => { setTold({ key: "saved", values: { name: file } }); setLink(here(at)); };
  const record = () => does(async () => {
    const made = await call(`api/v1/streams/${id}/recording`, { method: recording ? "DELETE" : "POST" });
    setRecording(recording ? null : made.file);
    setTold(null);
    if (recording) { asked.current = null; saved(made); }
  });
  const clip = () => does(async () => saved(await call(`api/v1/streams/${id}/clip`, { method: "POST" })));
  return html`<div class="card"><div class="row">
    <button aria-pressed=${Boolean(recording)} onClick=${record}>${words.t(recording ? "stop_record" : "record")}</button>
    <button onClick=${clip}>${words.t("save_clip")}</button>
    <a class="button" href=${`api/v1/streams/${id}/frame.jpg`} download="snapshot.jpg">${words.t("snapshot")}</a></div>
    <p role="status">${link ? html`<a href=${link} download>${words.said(told)}</a>` : words.said(told)}</p></div>`;
}
