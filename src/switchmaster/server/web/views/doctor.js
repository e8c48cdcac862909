// Everything that the doctor found in its last inspections: each finding with its evidence, since when, why it hurts
// and how to mend it; what is suppressed; and when each deployment was inspected.

import { path } from "../api.js";
import { LEVEL, WORDS, evidence, worst } from "../doctor.js";
import { h, update } from "../dom.js";
import { choices, empty, missing, name, state, table, timeAgo } from "../parts.js";
import { toDoctor, toMaster } from "../routes.js";
import { count, shown } from "../text.js";

const SEVERITIES = [
  ["", "All severities"],
  ["error", "Errors"],
  ["warning", "Warnings"],
  ["info", "Remarks"],
];
const MASTERS = 8; // names that are listed of one finding
const SUPPRESSED = [["Rule"], ["Master"], ["Reason"], ["Until"], ["Found since"]];
const INSPECTIONS = [
  ["Deployment"],
  ["Found"],
  ["Inspected"],
  ["Masters", "number"],
  ["Nodes", "number"],
  ["Took", "number"],
];

export function makeDoctor({ live, filters, go }) {
  const { deployment, severity } = filters;
  const source = path("doctor", { deployment, type: ["finding", "suppressed", "diagnosis"] });
  const rules = "doctor/rules";
  const form = h("div", { class: "tools" }, choices("Severity", "severity", SEVERITIES, severity));
  const about = h("p", { class: "about" });
  const parts = h("div", { class: "doctor" });

  form.addEventListener("change", (event) => go(toDoctor({ ...filters, [event.target.name]: event.target.value })));

  function render() {
    const lines = live.get(source).value?.items ?? [];
    const texts = new Map((live.get(rules).value?.items ?? []).map((rule) => [rule.rule, rule]));
    const of = (type) => lines.filter((line) => line.type === type);
    const found = of("finding").filter((line) => !severity || line.severity === severity);
    update(
      about,
      deployment ? ["Only of ", name(deployment), ". ", h("a", { href: toDoctor({ severity }) }, "Show all")] : null,
    );
    const inspected = of("diagnosis");
    update(
      parts,
      missing(live.get(source), "What the doctor found"),
      live.get(source).value && !inspected.length
        ? empty("Nothing is inspected yet. The daemon does so where [doctor] every is set in its configuration.")
        : null,
      inspected.length ? inspections(inspected, live.now()) : null,
      inspected.length && !found.length ? h("p", {}, state("ok", "Nothing found")) : null,
      h("ul", { class: "findings", "aria-label": "Findings" }, found.map((line) => finding(line, texts, live.now()))),
      suppressed(of("suppressed"), live.now()),
    );
  }

  return {
    title: "Doctor",
    element: [h("h1", {}, "Doctor"), about, form, parts],
    needs: [source, rules],
    render,
    told() {},
  };
}

function inspections(lines, now) {
  return table(
    "Inspections",
    INSPECTIONS,
    lines.map((line) => ({
      key: line.deployment,
      cells: [
        h("a", { href: toDoctor({ deployment: line.deployment }) }, name(line.deployment)),
        worst(line),
        timeAgo(line.time, now),
        line.masters,
        line.nodes,
        `${line.seconds} s`,
      ],
    })),
  );
}

function whose(line) {
  const names = [line.master, ...line.same_in].filter((one) => one !== null);
  if (!names.length) return ["all of ", name(line.deployment)];
  const more = names.length - MASTERS;
  return [
    names
      .slice(0, MASTERS)
      .map((one, index) => [index ? ", " : "", h("a", { href: toMaster(line.deployment, one) }, name(one))]),
    more > 0 ? ` and ${count(more, "more master")}` : null,
    " in ",
    name(line.deployment),
  ];
}

function finding(line, texts, now) {
  const rule = texts.get(line.rule);
  return h(
    "li",
    { key: `${line.deployment}\n${line.rule} ${line.master} ${line.sentence}` },
    state(LEVEL[line.severity], WORDS[line.severity]),
    " ",
    h("strong", {}, line.rule),
    ` ${shown(line.sentence)}`,
    h("p", { class: "faint" }, whose(line), line.since ? [", found since ", timeAgo(line.since, now)] : null),
    line.also.map((also) => h("p", {}, `also ${also.rule}: ${shown(also.sentence)}`)),
    evidence(line),
    rule
      ? h(
          "details",
          {},
          h("summary", {}, "Why it hurts, and how to mend it"),
          h("p", {}, rule.why),
          h("p", {}, rule.mend),
          h("p", { class: "faint" }, `Applies to: ${rule.versions}`),
        )
      : null,
  );
}

function suppressed(lines, now) {
  if (!lines.length) return null;
  return [
    h("h2", {}, "Suppressed"),
    table(
      "Suppressed findings",
      SUPPRESSED,
      lines.map((line) => ({
        key: `${line.deployment}\n${line.rule} ${line.master} ${line.sentence}`,
        cells: [
          h("span", {}, h("strong", {}, line.rule), ` ${shown(line.sentence)}`),
          h("span", {}, whose(line)),
          shown(line.reason),
          line.until === null ? "for ever" : new Date(line.until * 1000).toISOString().slice(0, 10),
          line.since ? timeAgo(line.since, now) : "–",
        ],
      })),
    ),
  ];
}
