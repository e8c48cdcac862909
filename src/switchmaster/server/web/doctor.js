// What the doctor found of one master: what is at risk, how long no master would take writes, and each finding.

import { h } from "./dom.js";
import { facts, name, state, timeAgo } from "./parts.js";
import { toDoctor } from "./routes.js";
import { count, duration, shown } from "./text.js";

export const LEVEL = { error: "down", warning: "suspected", info: "unknown" };
export const WORDS = { error: "Error", warning: "Warning", info: "Remark" };
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
    h(
      "p",
      {},
      worst(summed(found)),
      ", inspected ",
      timeAgo(risk.time, now),
      ". ",
      h("a", { href: toDoctor({ deployment: risk.deployment }) }, "All of the deployment"),
    ),
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

function summed(found) {
  const number = (severity) => found.filter((line) => line.severity === severity).length;
  return { errors: number("error"), warnings: number("warning") };
}

/** The gravest severity of a sum, with the number of findings. */
export function worst({ errors, warnings }) {
  if (!errors && !warnings) return state("ok", "Nothing that needs action");
  const [severity, number] = errors ? ["error", errors] : ["warning", warnings];
  return state(LEVEL[severity], count(number, WORDS[severity].toLowerCase()));
}

/** What was seen and where, and the commands that mend it. */
export function evidence(one) {
  return h(
    "details",
    {},
    h("summary", {}, "Evidence and commands"),
    h(
      "ul",
      {},
      one.evidence.map((seen) => h("li", {}, name(seen.where), ` ${shown(seen.seen)}`)),
    ),
    one.mend.length ? h("pre", { tabindex: 0 }, one.mend.map(shown).join("\n")) : null,
  );
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
    evidence(one),
  );
}
