// What the service costs: memory and processor time of each process, the stages of pictures, the queue.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { call } from "../service.js";

const KEEP = 600;
const COLOURS = {
  light: ["#0b5cad", "#c2410c", "#11663a", "#7c3aed", "#a3171d", "#0e7490"],
  dark: ["#7cb7ff", "#fb923c", "#7fd6a4", "#c4a1ff", "#ff9a94", "#67d5e8"],
};

export function Costs({ words }) {
  const [costs, setCosts] = useState(null);
  useEffect(() => {
    let events = null;
    let over = false;
    const open = () => {
      if (document.hidden || events) return;
      call("api/v1/costs").then((found) => {
        if (over || events) return;
        setCosts(found);
        events = new EventSource("api/v1/costs/events");
        events.addEventListener("costs", (event) => {
          const next = JSON.parse(event.data);
          setCosts((before) => ({ ...next, samples: [...before.samples, ...next.samples].slice(-KEEP) }));
        });
      }, () => {});
    };
    const turn = () => {
      if (!document.hidden) open();
      else if (events) { events.close(); events = null; }
    };
    open();
    document.addEventListener("visibilitychange", turn);
    return () => { over = true; document.removeEventListener("visibilitychange", turn); events?.close(); };
  }, []);
  if (!costs?.samples.length) return html`<p class="soft" role="status">${words.t("connecting")}</p>`;
  const { samples } = costs;
  const roles = [...new Set(samples.flatMap((each) => each.processes.map(({ role }) => role)))];
  const times = samples.map((each) => each.unix_s);
  const memory = roles.map((role) => samples.map((each) => {
    const own = each.processes.filter((process) => process.role === role);
    return own.length ? own.reduce((sum, process) => sum + (process.pss_mb ?? process.rss_mb), 0) : null;
  }));
  const cores = roles.map((role) => samples.map((each) => each.cores[role] ?? null));
  return html`<div>
    <section class="card"><h2>${words.t("memory")}</h2><${Plot} words=${words} times=${times} roles=${roles} rows=${memory} digits=${0} /></section>
    <section class="card"><h2>${words.t("processor")}</h2><${Plot} words=${words} times=${times} roles=${roles} rows=${cores} digits=${2} /></section>
    <div class="columns tables"><${Now} words=${words} costs=${costs} /></div></div>`;
}

function Plot({ words, times, roles, rows, digits }) {
  const place = useRef(null);
  const plot = useRef(null);
  const theme = getComputedStyle(document.documentElement).colorScheme === "dark" ? "dark" : "light";
  const key = `${words.language} ${theme} ${roles.join()}`;
  useEffect(() => {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--soft");
    const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884" } };
    const clock = new Intl.DateTimeFormat(words.language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const at = (seconds) => clock.format(new Date(1000 * seconds));
    const value = (_, shown) => (shown === null || shown === undefined ? "" : words.number(shown, digits));
    const made = new uPlot({
      width: place.current.clientWidth, height: 220,
      series: [{ label: words.t("time"), value: (_, shown) => (shown ? at(shown) : "") },
        ...roles.map((role, index) => ({ label: role, stroke: COLOURS[theme][index % COLOURS[theme].length], width: 2,
          points: { show: false }, value }))],
      axes: [{ ...axis, space: 90, values: (_, ticks) => ticks.map(at) }, { ...axis, size: 52 }], scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.1)] } },
    }, [times, ...rows], place.current);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: place.current.clientWidth, height: 220 }));
    sized.observe(place.current);
    return () => { sized.disconnect(); made.destroy(); };
  }, [key]);
  useEffect(() => { plot.current?.setData([times, ...rows]); }, [times, rows]);
  return html`<div class="plot" ref=${place}></div>`;
}

function Now({ words, costs }) {
  const last = costs.samples[costs.samples.length - 1];
  const { queue, stages } = costs;
  return html`
    <section class="card"><h2>${words.t("process")}</h2><div class="scroll"><table>
      <thead><tr><th>${words.t("process")}</th><th>RSS MB</th><th>PSS MB</th><th>${words.t("processor")}</th></tr></thead>
      <tbody>${last.processes.map((each) => html`<tr><td>${each.role}</td><td>${words.number(each.rss_mb)}</td>
        <td>${each.pss_mb === null ? "" : words.number(each.pss_mb)}</td>
        <td>${words.number(last.cores[each.role] ?? 0, 2)}</td></tr>`)}</tbody></table></div></section>
    <section class="card"><h2>${words.t("stages")}</h2><table>
      <thead><tr><th>${words.t("stage")}</th><th>${words.t("mean")}</th><th>${words.t("pictures")}</th></tr></thead><tbody>
      ${Object.entries(stages).map(([name, { mean_s: mean, count }]) => html`<tr><td>${name.replace(/_s$/, "")}</td>
        <td>${words.number(mean * 1000, 1)}</td><td class="soft">${count}</td></tr>`)}</tbody></table></section>
    <section class="card"><h2>${words.t("queue")}</h2><table><tbody>
      <tr><td>${words.t("waiting")}</td><td>${queue.waiting}</td></tr>
      <tr><td>${words.t("refused")}</td><td>${queue.refused}</td></tr>
      <tr><td>${words.t("kept")}</td><td>${words.number(queue.cache_bytes / 1e6, 1)} MB</td></tr>
      <tr><td>${words.t("hits")}</td><td>${queue.cache_hits}</td></tr></tbody></table></section>`;
}
