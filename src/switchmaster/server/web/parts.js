// Parts that several views share: states with their shapes, times, addresses, tables that become cards.

import { h, s } from "./dom.js";
import { address, ago, clock, day, duration, seconds, shown, utc } from "./text.js";
import { HEALTH, recordWords } from "./words.js";

// A shape for each state, so that colour is never alone.
const SHAPES = {
  ok: "M3 8.5l3.5 3.5 6.5-8",
  suspected: "M8 2.5v7M8 12.5v.5",
  down: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  "failing-over": "M2.5 6h10l-3-3M13.5 10h-10l3 3",
  unknown: "M5.5 6a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .9-1 1.7M8 12.8v.2",
};

const LEVEL = { completed: "ok", aborted: "down", "in-progress": "failing-over" };

export function icon(level) {
  const shape = SHAPES[level] ?? SHAPES.unknown;
  return s(
    "svg",
    { class: `icon level-${level}`, viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    s("path", { d: shape }),
  );
}

export function state(level, words) {
  return h("span", { class: `state level-${level}` }, icon(level), h("span", {}, words));
}

export const healthState = (health) => state(health, HEALTH[health]);

/** The state of a failover's record. */
export function outcomeState(failover) {
  const level = failover.attempted === false ? "suspected" : (LEVEL[failover.outcome] ?? "unknown");
  return state(level, recordWords(failover));
}

/** A name from the network: isolated, so that its text direction does not affect its surroundings. */
export const name = (text) => h("bdi", { class: "name" }, shown(text));

export const place = (node) => h("bdi", { class: "place" }, address(node));

export function time(iso, how = day) {
  return iso ? h("time", { datetime: iso, title: utc(iso) }, how(iso)) : h("span", {}, "–");
}

export const timeOfDay = (iso) => time(iso, clock);

export function timeAgo(iso, now) {
  return time(iso, () => ago(Math.max(0, now - seconds(iso))));
}

export function took(value, estimated = false) {
  const text = duration(value);
  if (!estimated) return h("span", { class: "duration" }, text);
  return h("span", { class: "duration", title: "by the wall clocks of several observers" }, `about ${text}`);
}

/**
 * A table; on a narrow screen each row is a card. Roles are explicit, because display: block removes a table's.
 *
 * `columns` are [heading, class]; `rows` are {key, cells, class}. The first cell of a row is its heading.
 */
export function table(caption, columns, rows) {
  const head = columns.map(([title, kind]) => h("th", { scope: "col", role: "columnheader", class: kind }, title));
  return h(
    "table",
    { role: "table", key: caption },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h(
      "tbody",
      { role: "rowgroup" },
      rows.map((row) => tableRow(columns, row)),
    ),
  );
}

function tableRow(columns, { key, cells, class: kind }) {
  return h(
    "tr",
    { role: "row", key, class: kind },
    cells.map((content, index) => {
      const [title, type] = columns[index];
      if (index === 0) return h("th", { scope: "row", role: "rowheader", class: type }, content);
      return h("td", { role: "cell", class: type, "data-label": title }, h("div", {}, content));
    }),
  );
}

export const empty = (...words) => h("p", { class: "empty" }, ...words);

/** Pairs of a term and its value. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, what]) => what !== null)
      .map(([term, what]) => h("div", { key: term }, h("dt", {}, term), h("dd", {}, what))),
  );
}

/** A field with its label; `attributes` are the input's. */
export function field(label, attributes, tag = "input", ...children) {
  return h("label", { class: "field" }, h("span", {}, label), h(tag, attributes, ...children));
}

export function choices(label, id, options, chosen = "") {
  const listed = options.map(([value, words]) => h("option", { value, selected: value === chosen }, words));
  return field(label, { id, name: id }, "select", listed);
}

/** The problem of a resource, or that it still loads; null if it is loaded. */
export function missing(resource, what) {
  if (resource.value !== null) return null;
  return empty(
    resource.error ? `${what} can't be shown: ${shown(resource.error.message)}.` : `Loading ${what.toLowerCase()}.`,
  );
}
