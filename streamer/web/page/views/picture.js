// A picture: sent once, looked at in the browser.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { ask, call, here } from "../service.js";
import { colours, draw, inflate, split } from "../maps.js";
import { Camera } from "./camera.js";

const MAX_WIDTH = 1600;
const EFFECTS = { none: "", blur: "blur", pixelate: "pixelate", fill: "fill=#404040", background: "blur-background" };
const ON = { head: "head", face: "Face", everybody: "all" };

function query(effect, on, parser) {
  const given = new URLSearchParams({ masks: "none", labels: "none", faces: "true" });
  if (parser) given.set("parser", parser);
  if (EFFECTS[effect]) {
    given.append("effect", EFFECTS[effect]);
    given.set("on", effect === "background" ? "all" : ON[on]);
  }
  return given;
}

async function parsed(file, effect, on, parser) {
  const answer = await call(`api/v1/parse?${query(effect, on, parser)}`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
  });
  const packed = await (await ask(here(answer.links.maps))).arrayBuffer();
  const maps = split(await inflate(packed), answer.map.width, answer.map.height);
  return { answer, maps, picture: await shown(file, answer, effect) };
}

// The picture itself; the service's copy where it was covered, or where this browser does not turn it upright.
async function shown(file, answer, effect) {
  const { width, height } = answer.picture;
  if (!EFFECTS[effect]) {
    try {
      const own = await createImageBitmap(file);
      if (own.width === width && own.height === height) return own;
      own.close();
    } catch { /* the service could read it, and this browser cannot */ }
  }
  return createImageBitmap(await (await ask(here(answer.links.picture))).blob());
}

export function Picture({ words, labels }) {
  const [file, setFile] = useState(null);
  const [seen, setSeen] = useState(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState(null);
  const [effect, setEffect] = useState("none");
  const [on, setOn] = useState("head");
  const [parsers, setParsers] = useState([]);
  const [parser, setParser] = useState("");
  const turn = useRef(0);

  useEffect(() => { call("api/v1/parsers").then((all) => setParsers(all.filter((each) => each.served)), () => {}); },
    [labels]);
  useEffect(() => {
    if (!file) return;
    const mine = ++turn.current;
    setBusy(true);
    setFailed(null);
    parsed(file, effect, on, parser)
      .then((found) => mine === turn.current && setSeen(found),
        (error) => mine === turn.current && (setFailed(error), setSeen(null)))
      .finally(() => mine === turn.current && setBusy(false));
  }, [file, effect, on, parser]);
  useEffect(() => {
    const paste = (event) => {
      const found = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
      if (found) take(found);
    };
    window.addEventListener("paste", paste);
    return () => window.removeEventListener("paste", paste);
  }, []);

  function take(given) {
    setFile(given);
  }
  const status = busy ? words.t("sending") : failed ? words.said({ error: failed }) : seen ? told(words, seen.answer) : "";
  return html`
    <${Drop} words=${words} take=${take} small=${Boolean(file)} />
    <p class=${`status ${failed ? "bad" : "soft"}`} role="status" aria-live="polite">${status}</p>
    ${seen && html`<${Result} key=${seen.answer.id} words=${words} classes=${labels[seen.answer.label_set]} seen=${seen}>
      <div class="card"><h2>${words.t("effect")}</h2><div class="row">
        <select aria-label=${words.t("effect")} value=${effect} onChange=${(event) => setEffect(event.target.value)}>
          ${Object.keys(EFFECTS).map((name) => html`<option value=${name}>${words.t(name)}</option>`)}</select>
        ${effect !== "none" && effect !== "background" && html`<span>${words.t("on")}</span>
        <select aria-label=${words.t("on")} value=${on} onChange=${(event) => setOn(event.target.value)}>
          ${Object.keys(ON).map((name) => html`<option value=${name}>${words.t(name)}</option>`)}</select>`}
        ${parsers.length > 1 && html`<select aria-label=${words.t("parser")} value=${parser}
          onChange=${(event) => setParser(event.target.value)}>
          ${parsers.map(({ name }) => html`<option value=${name}>${name}</option>`)}</select>`}
      </div></div></${Result}>`}`;
}

function told(words, answer) {
  const people = answer.people.length;
  const found = words.t(people === 1 ? "found_one" : "found", { people, parts: answer.parts.length });
  const time = (seconds) => (seconds < 1 ? words.t("ms", { time: words.number(seconds * 1000) })
    : words.t("s", { time: words.number(seconds, 1) }));
  const took = answer.cached ? words.t("cached")
    : words.t("took", { total: time(answer.timings.total_s), queued: time(answer.timings.queued_s) });
  return words.language === "zh" ? `${found}。${took}。` : `${found}. ${took}.`;
}

function Drop({ words, take, small }) {
  const [over, setOver] = useState(false);
  const [camera, setCamera] = useState(false);
  const input = useRef(null);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  };
  if (camera) return html`<${Camera} words=${words} close=${() => setCamera(false)}
    take=${(shot) => { setCamera(false); take(shot); }} />`;
  return html`<div class=${`card drop ${over ? "over" : ""} ${small ? "small" : ""}`} onDrop=${drop} onDragLeave=${() => setOver(false)}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }}>
    ${!small && html`<p>${words.t("drop")}</p>`}
    <div class="row middle">
      <button class="main" onClick=${() => input.current.click()}>${words.t(small ? "another" : "choose")}</button>
      <button onClick=${() => setCamera(true)}>${words.t("take")}</button>
      <input ref=${input} type="file" hidden accept="image/jpeg,image/png,image/webp" aria-label=${words.t("choose")}
        onChange=${(event) => { const [file] = event.target.files; event.target.value = ""; if (file) take(file); }} />
    </div></div>`;
}

// What a face is taken for; nothing where nobody asked the service to guess, or it cannot.
function guess(words, face) {
  if (face.age_range === undefined || face.age_range === null) return "";
  const years = face.age_range.map((each) => Math.round(each)).join("–");
  return face.gender ? `${years} ${words.t(face.gender)}` : years;
}

function Result({ words, classes, seen, children }) {
  const { answer, maps, picture } = seen;
  const [look, setLook] = useState({ opacity: 0.55, outline: true, numbers: true, face_boxes: true, hidden: new Set(), absent: new Set() });
  const [cut, setCut] = useState(50);
  const under = useRef(null);
  const above = useRef(null);
  const scale = Math.min(1, MAX_WIDTH / answer.picture.width);
  const size = { width: Math.round(answer.picture.width * scale), height: Math.round(answer.picture.height * scale) };
  const people = answer.people.map((each) => ({
    id: each.person_id, number: each.person_id, box: each.box.map((side) => side * scale),
  }));
  const faces = (answer.faces || []).map((each) => ({ box: each.box.map((side) => side * scale), text: guess(words, each) }));
  const guessed = faces.some((each) => each.text);
  useEffect(() => { draw(under.current, picture, null); }, [picture]);
  useEffect(() => { draw(above.current, picture, maps, colours(classes), look, people, faces); }, [picture, maps, look, words]);

  const change = (values) => setLook({ ...look, ...values });
  const toggled = (set, value) => {
    const other = new Set(set);
    if (!other.delete(value)) other.add(value);
    return other;
  };
  return html`<div class="columns wide"><div>
    <div class="stage">
      <canvas ref=${under} ...${size} role="img" aria-label=${words.t("original")}></canvas>
      <canvas ref=${above} ...${size} class="top" role="img" aria-label=${words.t("result")}
        style=${{ clipPath: `inset(0 0 0 ${cut}%)` }}></canvas>
      ${cut > 0 && cut < 100 && html`<div class="seam" style=${{ left: `${cut}%` }}></div>`}
    </div>
    <div class="card">
      <label class="field"><span>${words.t("original")}</span>
        <input type="range" id="compare" min="0" max="100" step="1" value=${cut} aria-label=${words.t("compare")}
          onInput=${(event) => setCut(Number(event.target.value))} />
        <span>${words.t("result")}</span></label>
      <label class="field"><span>${words.t("opacity")}</span>
        <input type="range" min="0" max="1" step="0.01" value=${look.opacity} aria-label=${words.t("opacity")}
          onInput=${(event) => change({ opacity: Number(event.target.value) })} /></label>
      <div class="row">
        ${["outline", "numbers", "face_boxes"].map((name) => html`<label class="field"><input type="checkbox" checked=${look[name]}
          onChange=${() => change({ [name]: !look[name] })} />${words.t(name)}${name === "face_boxes" ? ` (${faces.length})` : ""}</label>`)}
      </div>
      ${guessed && html`<p class="soft" id="worth">${words.t("worth")}</p>`}
    </div></div>
    <div>
      ${children}
      <${Parts} words=${words} classes=${classes} answer=${answer} look=${look}
        toggle=${(id) => change({ hidden: toggled(look.hidden, id) })} all=${(hidden) => change({ hidden })} />
      <${People} words=${words} answer=${answer} look=${look}
        toggle=${(number) => change({ absent: toggled(look.absent, number) })} />
      <${Downloads} words=${words} classes=${classes} answer=${answer} look=${look} />
    </div></div>`;
}

function percent(words, share) {
  return share > 0 && share < 0.0005 ? `< ${words.number(0.1, 1)} %` : `${words.number(share * 100, 1)} %`;
}

function Parts({ words, classes, answer, look, toggle, all }) {
  const every = answer.parts.every((each) => look.hidden.has(each.label_id));
  return html`<section class="card"><h2>${words.t("parts")} (${answer.parts.length})</h2>
    ${answer.parts.length > 0 && html`<p class="heads"><span>${words.t("on_people")}</span><span>${words.t("share")}</span></p>`}
    <ul class="plain">${answer.parts.map((part) => html`<li><label>
      <input type="checkbox" checked=${!look.hidden.has(part.label_id)} onChange=${() => toggle(part.label_id)} />
      <span class="swatch" style=${{ background: classes[part.label_id].colour }}></span>
      <span class="grow">${words.label(part.label)}</span>
      <span class="number">${part.people}</span>
      <span class="number share">${percent(words, part.share)}</span></label></li>`)}</ul>
    ${answer.parts.length > 0 && html`<button class="after" onClick=${() => all(every ? new Set()
      : new Set(answer.parts.map((each) => each.label_id)))}>${words.t(every ? "show_all" : "hide_all")}</button>`}
  </section>`;
}

function People({ words, answer, look, toggle }) {
  return html`<section class="card"><h2>${words.t("people")} (${answer.people.length})</h2>
    ${answer.people.length === 0 && html`<p class="soft">${words.t("nobody")}</p>`}
    <ul class="plain spaced">${answer.people.map((person) => html`<li><label>
      <input type="checkbox" checked=${!look.absent.has(person.person_id)} onChange=${() => toggle(person.person_id)} />
      <span class="grow">${words.t("person")} ${person.person_id}</span>
      <span class="number">${words.number(person.score, 2)}</span></label>
      <a class="button" download=${`person-${person.person_id}.png`}
        href=${`${here(answer.links.cutout)}?keep=person:${person.person_id}`}>${words.t("cutout")}</a></li>`)}</ul>
  </section>`;
}

function Downloads({ words, classes, answer, look }) {
  const drawn = new URLSearchParams({ opacity: look.opacity, outline: look.outline, tags: look.numbers,
    hide: [...look.hidden].map((id) => classes[id].name).join(",") });
  const json = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" }));
  useEffect(() => () => URL.revokeObjectURL(json), [json]);
  const links = {
    overlay: [`${here(answer.links.overlay)}?${drawn}`, "overlay.jpg"],
    cutout: [here(answer.links.cutout), "cutout.png"],
    labels_png: [here(answer.links.labels), "labels.png"],
    json: [json, "answer.json"],
    coco: [here(answer.links.coco), "coco.json"],
  };
  return html`<section class="card"><h2>${words.t("downloads")}</h2><div class="row">
    ${Object.entries(links).map(([name, [link, file]]) => html`<a class="button" href=${link} download=${file}>
      ${words.t(name)}</a>`)}</div></section>`;
}
