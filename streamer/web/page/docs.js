// The API's description, read from its OpenAPI document: no script of another host is needed.
import { html, render } from "./vendor/preact-htm.js";

const named = (schema) => schema?.$ref?.split("/").pop();

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return named(schema);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).filter((each) => each !== "null").join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items) || "any"}[]`;
  return schema.type || "any";
}

// Words of the API's own in a sentence stand between backquotes.
const sentence = (text) => (text || "").split("`").map((each, at) => (at % 2 ? html`<code>${each}</code>` : each));

function Parameters({ list }) {
  if (!list?.length) return null;
  return html`<div class="scroll"><table><thead><tr><th>Parameter</th><th>Type</th><th>About</th></tr></thead><tbody>
    ${list.map((each) => html`<tr><td><code>${each.name}</code> <span class="soft">${each.in}</span></td>
      <td><code>${typeOf(each.schema)}</code></td>
      <td>${sentence(each.description || each.schema?.description)}
        ${each.schema?.default !== undefined && html` <span class="soft">default ${JSON.stringify(each.schema.default)}</span>`}
      </td></tr>`)}</tbody></table></div>`;
}

function Operation({ path, method, operation }) {
  const bodies = Object.keys(operation.requestBody?.content || {});
  const answers = Object.entries(operation.responses || {});
  const good = answers.filter(([status]) => status < 400).map(([status, { content }]) =>
    `${status} ${Object.entries(content || {}).map(([kind, { schema }]) => typeOf(schema) || kind).join(", ")}`);
  const problems = answers.filter(([status]) => status >= 400).map(([status, { description }]) => `${status} ${description}`);
  return html`<section class="card"><h2><span class="badge">${method.toUpperCase()}</span> <code>${path}</code></h2>
    <p>${operation.summary}</p>
    ${operation.description && html`<p class="soft">${sentence(operation.description)}</p>`}
    <${Parameters} list=${operation.parameters} />
    ${bodies.length > 0 && html`<p>Body: <code>${bodies.join(", ")}</code></p>`}
    <p>Answers: <code>${good.join(" · ")}</code></p>
    <p class="soft">Problems: ${problems.join(" · ")}</p></section>`;
}

function Model({ name, schema }) {
  return html`<section class="card" id=${name}><h2><code>${name}</code></h2>
    ${schema.description && html`<p>${sentence(schema.description)}</p>`}
    <div class="scroll"><table><tbody>${Object.entries(schema.properties || {}).map(([field, of]) => html`<tr>
      <td><code>${field}</code></td><td><code>${typeOf(of)}</code></td><td>${sentence(of.description)}</td></tr>`)}
    </tbody></table></div>
    ${schema.examples && html`<pre><code>${JSON.stringify(schema.examples[0], null, 1)}</code></pre>`}</section>`;
}

function Docs({ api }) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => html`<${Operation} path=${path} method=${method}
      operation=${operation} />`));
  return html`<header><h1>${api.info.title} ${api.info.version}</h1><nav><a class="button" href="./">Page</a>
      <a class="button" href="api/v1/openapi.json">OpenAPI</a></nav></header>
    <main><p>${api.info.summary}</p>${operations}
    <h2>Shapes</h2>${Object.entries(api.components?.schemas || {}).map(([name, schema]) => html`<${Model} name=${name}
      schema=${schema} />`)}</main>`;
}

fetch("api/v1/openapi.json").then((answer) => answer.json()).then((api) =>
  render(html`<${Docs} api=${api} />`, document.getElementById("app")));
