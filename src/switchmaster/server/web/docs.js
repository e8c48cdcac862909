// The page of the HTTP API: every route and every schema of the daemon's OpenAPI document, to read, link and copy.
//
// The document is shown as text only, like everything from the network.

import { Api, ApiError } from "./api.js";
import { h, update } from "./dom.js";
import { empty, table } from "./parts.js";
import { code, example, kind, kindGiven, shapePlace } from "./schemas.js";
import { shown } from "./text.js";

const PARAMETERS = [["Parameter"], ["In"], ["Type"], ["Description"]];
const ANSWERS = [["Status"], ["Answer"], ["When"]];
const FIELDS = [["Field"], ["Type"], ["Description"]];
const CURL =
  "In the curl commands, `$TOKEN` is a shell variable with the token; " +
  "replace other words in capitals with your own values.";
const COPIED = 3_000; // ms for which a button shows that

const page = document.getElementById("document");
const said = document.getElementById("said");

/** Text of the document: paragraphs, with text in backticks as code. */
function prose(text) {
  return (text ?? "").split(/\n\n+/).map((paragraph) => h("p", {}, marked(paragraph)));
}

function marked(text) {
  return shown((text ?? "").replaceAll("\n", " "))
    .split("`")
    .map((part, index) => (index % 2 ? code(part) : part));
}

/** The operations of the document, in its order. */
function operationsOf({ paths }) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      path,
      method: method.toUpperCase(),
      id: `${method}${path.replace(/[{}]/g, "")}`,
    })),
  );
}

/** The access that it needs. */
function rights({ security }) {
  if (!security) return "Needs no token.";
  if (security.every((one) => Object.keys(one).length)) return ["Needs the token of ", code("http.token_file"), "."];
  return "Needs a token if the daemon listens beyond loopback or has a read token.";
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A line for a shell; the token is a variable, and placeholders are in capitals. */
function curl(operation, shapes) {
  const { path, parameters = [], requestBody, responses, security } = operation;
  const wanted = parameters.filter((one) => one.in === "query" && one.required);
  const query = wanted.map(({ name }) => `${name}=${name.toUpperCase()}`).join("&");
  const place = path.replace(/\{(.*?)\}/g, (_, name) => name.toUpperCase());
  const url = new URL(`.${place}${query && `?${query}`}`, document.baseURI);
  const body = requestBody?.content["application/json"].schema;
  return [
    "curl",
    responses["200"]?.content?.["text/event-stream"] ? "-N" : "",
    security ? '-H "Authorization: Bearer $TOKEN"' : "",
    body ? `-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(example(body, shapes)))}` : "",
    quoted(url.href),
  ]
    .filter(Boolean)
    .join(" ");
}

function drawRoute(operation, shapes) {
  const { id, method, path, summary, description, parameters = [], requestBody, responses } = operation;
  const called = `${method} ${path}`;
  const line = curl(operation, shapes);
  const body = requestBody?.content["application/json"].schema;
  return h(
    "section",
    { class: "route", "aria-labelledby": id },
    h("h3", { id }, h("a", { href: `#${encodeURI(id)}` }, h("span", { class: "method" }, method), " ", code(path))),
    h("p", { class: "faint" }, shown(summary ?? "")),
    prose(description),
    h("p", { class: "rights" }, rights(operation)),
    parameters.length ? table(`Parameters of ${called}`, PARAMETERS, parameters.map(drawParameter)) : null,
    body ? h("p", {}, "Body: ", kind(body), ", as JSON.") : null,
    table(`Answers of ${called}`, ANSWERS, Object.entries(responses).map(drawAnswer)),
    h(
      "div",
      { class: "curl" },
      h("code", {}, line),
      h("button", { type: "button", "aria-label": `Copy the curl command of ${called}` }, "Copy"),
    ),
  );
}

function drawParameter({ name, in: place, required, schema, description }) {
  return {
    key: `${place} ${name}`,
    cells: [code(name), required ? `${place}, required` : place, kindGiven(schema), marked(description)],
  };
}

function drawAnswer([status, { description, content }]) {
  const kinds = Object.entries(content ?? {}).map(([media, { schema }]) =>
    schema && Object.keys(schema).length ? kind(schema) : code(media),
  );
  return { key: status, cells: [status === "default" ? "any other" : status, kinds, marked(description)] };
}

function drawShape([name, { description, properties = {}, required = [] }]) {
  const id = shapePlace(name);
  const rows = Object.entries(properties).map(([field, schema]) => ({
    key: field,
    cells: [
      code(field),
      [kind(schema), required.includes(field) ? null : ", optional"],
      marked(schema.description),
    ],
  }));
  return h(
    "section",
    { class: "route", "aria-labelledby": id },
    h("h3", { id }, h("a", { href: `#${encodeURI(id)}` }, name)),
    prose(description),
    table(`Fields of ${name}`, FIELDS, rows),
  );
}

function draw(found) {
  const shapes = found.components?.schemas ?? {};
  const operations = operationsOf(found);
  update(
    page,
    h("p", { class: "about" }, `switchmaster ${shown(found.info.version)}`),
    h("div", { class: "prose" }, prose(found.info.description), prose(CURL)),
    h("nav", { "aria-labelledby": "routes" }, h("h2", { id: "routes" }, "Routes"), drawContents(operations)),
    operations.map((operation) => drawRoute(operation, shapes)),
    h("h2", { id: "shapes" }, "Shapes"),
    Object.entries(shapes).map(drawShape),
  );
}

function drawContents(operations) {
  return h(
    "ul",
    { class: "contents" },
    operations.map(({ id, method, path, description }) =>
      h(
        "li",
        {},
        h("a", { href: `#${encodeURI(id)}` }, h("span", { class: "method" }, method), " ", code(path)),
        h("span", { class: "faint" }, marked(description)),
      ),
    ),
  );
}

/** Copy a line; if the browser forbids that (plain HTTP beyond loopback), select it. */
async function copy(button) {
  const line = button.parentElement.querySelector("code");
  let words = "Copied";
  try {
    await navigator.clipboard.writeText(line.textContent);
  } catch {
    getSelection().selectAllChildren(line);
    words = "Selected";
  }
  button.textContent = words;
  said.textContent = words === "Copied" ? "The command is copied." : "The command is selected: copy it by keyboard.";
  setTimeout(() => {
    button.textContent = "Copy";
    said.textContent = "";
  }, COPIED);
}

page.addEventListener("click", (event) => {
  const button = event.target.closest(".curl button");
  if (button) void copy(button);
});

try {
  const { body } = await new Api("").get("openapi.json");
  draw(body);
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  update(page, empty(`The document can't be shown: ${shown(error.message)}.`));
}
// The target of the address did not exist yet when the browser looked for it.
if (location.hash) location.replace(location.hash);
