// What the doctor found of one master: what is at risk, how long no master would take writes, and each finding.

import { h } from "./dom.js";
import { facts, name, state, timeAgo } from "./parts.js";
import { duration, shown } from "./text.js";

const LEVEL = { error: "down", warning: "suspected", info: "unknown" };
const WORDS = { error: "Error", warning: "Warning", info: "Remark" };
const LOSSES = { wipe: "Wipe", "lost writes": "Lost writes", failover: "Failover" };
const CRASHES = {
  "process dies": "If its process dies",
  "host dies": "If its host dies",
  "network parts": "If the network parts",
};

/** The section's content; `lines` are the API's of the master, none where the doctor is off; `now` is in seconds. */
export function doctorParts(lines, now) {
  const risk = lines.find((line) => line.type === "risk");
  if (!risk) return [h("p", {}, state("unknown", "Not inspected"))];
  const found = lines.filter((line) => line.type === "finding");
  const known = lines.filter((line) => line.type === "suppressed");
  return [
    h("p", {}, worst(found), ", inspected ", timeAgo(risk.time, now)),
    facts([
      ...risk.losses.map((one) => [
        LOSSES[one.kind] ?? shown(one.kind),
        one.severity ? state(LEVEL[one.severity], shown(one.sentence)) : shown(one.sentence),
      ]),
      ...risk.scenarios.map((one) => [
        CRASHES[one.name] ?? shown(one.name),
        one.seconds === null
          ? state("down", `no failover: ${shown(one.sentence)}`)
          : `${duration(one.seconds)} without a master: ${shown(one.sentence)}`,
      ]),
    ]),
    h("ul", { class: "findings", "aria-label": "What the doctor found" }, found.map(finding)),
    known.length
      ? h(
          "p",
          {},
          "Suppressed: ",
          known.map((one) => `${one.rule} (${shown(one.reason)})`).join(", "),
        )
      : null,
  ];
}

function worst(found) {
  const severity = Object.keys(LEVEL).find((one) => found.some((line) => line.severity === one));
  if (!severity || severity === "info") return state("ok", "Nothing that needs action");
  const number = found.filter((line) => line.severity === severity).length;
  return state(LEVEL[severity], `${number} ${WORDS[severity].toLowerCase()}${number > 1 ? "s" : ""}`);
}

function finding(one) {
  const also = one.also.map((other) => `${other.rule}: ${shown(other.sentence)}`);
  return h(
    "li",
    { key: `${one.rule} ${one.sentence}` },
    state(LEVEL[one.severity], WORDS[one.severity]),
    " ",
    h("strong", {}, one.rule),
    ` ${shown(one.sentence)}`,
    also.length ? h("p", {}, `also ${also.join("; ")}`) : null,
    h(
      "details",
      {},
      h("summary", {}, "Evidence and commands"),
      h(
        "ul",
        {},
        one.evidence.map((seen) => h("li", {}, name(seen.where), ` ${shown(seen.seen)}`)),
      ),
      one.mend.length ? h("pre", { tabindex: 0 }, one.mend.map(shown).join("\n")) : null,
    ),
  );
}
