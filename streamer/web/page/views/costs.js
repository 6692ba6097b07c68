// What the service costs: memory and processor time of each process, the stages of pictures, the queue.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { call } from "../service.js";

const KEEP = 600;
const COLOURS = ["#0b5cad", "#c2410c", "#11663a", "#7c3aed", "#a3171d", "#0e7490"];

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
    <section class="card"><h2>${words.t("memory")}</h2><${Plot} times=${times} roles=${roles} rows=${memory} /></section>
    <section class="card"><h2>${words.t("processor")}</h2><${Plot} times=${times} roles=${roles} rows=${cores} /></section>
    <div class="columns"><${Now} words=${words} costs=${costs} /></div></div>`;
}

function Plot({ times, roles, rows }) {
  const place = useRef(null);
  const plot = useRef(null);
  const key = roles.join();
  useEffect(() => {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--soft");
    const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884" } };
    const made = new uPlot({
      width: place.current.clientWidth, height: 220,
      series: [{}, ...roles.map((role, index) => ({ label: role, stroke: COLOURS[index % COLOURS.length], width: 2 }))],
      axes: [axis, { ...axis, size: 52 }], scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.1)] } },
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
    <section class="card"><h2>${words.t("stages")}</h2><table><tbody>
      ${Object.entries(stages).map(([name, { mean_s: mean, count }]) => html`<tr><td>${name.replace(/_s$/, "")}</td>
        <td>${words.number(mean * 1000, 1)}</td><td class="soft">${count}</td></tr>`)}</tbody></table></section>
    <section class="card"><h2>${words.t("queue")}</h2><table><tbody>
      <tr><td>${words.t("waiting")}</td><td>${queue.waiting}</td></tr>
      <tr><td>${words.t("refused")}</td><td>${queue.refused}</td></tr>
      <tr><td>${words.t("kept")}</td><td>${words.number(queue.cache_bytes / 1e6, 1)} MB</td></tr>
      <tr><td>${words.t("hits")}</td><td>${queue.cache_hits}</td></tr></tbody></table></section>`;
}
