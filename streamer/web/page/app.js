// The page: tabs, language, theme, and the token at the door.
import { html, render, useEffect, useState } from "./vendor/preact-htm.js";
import { load, Words } from "./words.js";
import { call, onNoToken, session } from "./service.js";
import { Picture } from "./views/picture.js";
import { Live } from "./views/live.js";
import { Jobs } from "./views/jobs.js";
import { Costs } from "./views/costs.js";

const TABS = { picture: Picture, live: Live, jobs: Jobs, costs: Costs };

function storedTheme() {
  return localStorage.getItem("theme") || "";
}

function applyTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function Door({ words, enter }) {
  const [token, setToken] = useState("");
  return html`<form class="card" onSubmit=${(event) => { event.preventDefault(); enter(token); }}>
    <label class="field">${words.t("token_ask")}
      <input type="text" autocomplete="off" spellcheck=${false} value=${token}
        onInput=${(event) => setToken(event.target.value)} /></label>
    <button class="main">${words.t("enter")}</button>
  </form>`;
}

// Of the address, where it was given there: taken out of it at once.
const TOKEN = new URLSearchParams(location.hash.slice(1)).get("token") || null;
if (TOKEN !== null) history.replaceState(null, "", location.pathname);

function App({ first }) {
  const [words, setWords] = useState(first);
  const [tab, setTab] = useState("picture");
  const [labels, setLabels] = useState(null);
  const [closed, setClosed] = useState(false);
  const [entering, setEntering] = useState(TOKEN !== null);
  const [failed, setFailed] = useState(null);

  async function begin() {
    try {
      const known = await call("api/v1/labels");
      setLabels(known);
      setClosed(false);
      setFailed(null);
    } catch (error) {
      if (error.status === 503) setTimeout(begin, 1000);
      else if (error.status !== 401) setFailed(error);
    }
  }
  async function enter(token) {
    try { await session(token); await begin(); } catch (error) { setFailed(error); }
    setEntering(false);
  }
  useEffect(() => {
    onNoToken(() => setClosed(true));
    if (TOKEN !== null) enter(TOKEN); else begin();
  }, []);

  async function speak(language) {
    localStorage.setItem("language", language);
    setWords(await load(language));
  }
  function turn() {
    const dark = storedTheme() ? storedTheme() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    localStorage.setItem("theme", dark ? "light" : "dark");
    applyTheme(storedTheme());
  }
  const other = words.language === "en" ? "zh" : "en";
  const View = TABS[tab];
  return html`
    <header>
      <h1>m2fp-streamer</h1>
      <div class="tabs" role="tablist" aria-label="m2fp-streamer">
        ${Object.keys(TABS).map((name) => html`<button role="tab" id=${`tab-${name}`} aria-selected=${tab === name}
          aria-controls="view" onClick=${() => setTab(name)}>${words.t(name)}</button>`)}
      </div>
      <a class="button" href="docs">${words.t("api")}</a>
      <button onClick=${() => speak(other)} lang=${other} aria-label=${other === "zh" ? "中文" : "English"}>
        ${other === "zh" ? "中文" : "EN"}</button>
      <button onClick=${turn} aria-label=${words.t("theme")}>◐</button>
    </header>
    <main><div id="view" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
      ${failed && html`<p class="card bad" role="alert">${words.problem(failed)}</p>`}
      ${closed ? html`<${Door} words=${words} enter=${enter} />`
        // What is chosen before the service has let this browser in would be lost.
        : entering ? html`<p class="soft" role="status">${words.t("connecting")}</p>`
        : html`<${View} words=${words} labels=${labels} />`}
    </div></main>`;
}

applyTheme(storedTheme());
const language = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
load(language).then((first) => render(html`<${App} first=${first} />`, document.getElementById("app")));
