// The guard of one master: armed or not, what it would do if the master died now or why not, and what it last said.

import { h } from "./dom.js";
import { empty, facts, name, place, state, time, timeOfDay } from "./parts.js";
import { shown } from "./text.js";

const SAID = 5; // notices shown

/** What a guard says, by the kind of the notice; the key is also that of its mark in a timeline. */
export const GUARD_KINDS = {
  "guard-ordered": "ordered a failover",
  "guard-would-order": "would have ordered a failover",
  "guard-refused": "did not order a failover",
  "guard-verified": "saw its failover come",
  "guard-in-vain": "ordered in vain",
  "master-came-back-empty": "saw the master come back empty",
  "master-restarted": "saw the master restart",
};

/** Whether a line is a guard's notice. */
export const isGuards = (line) => line.type === "notice" && Object.hasOwn(GUARD_KINDS, line.kind);

/** How a guard stands: a state; `line` is the API's, null where the master has none. */
export function guardState(line) {
  if (!line || line.arming === "disarmed") return state("unknown", "Disarmed");
  const words = line.arming === "armed" ? "Armed" : "Dry run";
  // A dry run always says that it only says: that alone is no worry.
  const held = line.arming === "armed" ? !line.would_act : line.outlook.length > 1;
  return held ? state("suspected", `${words}, and would not act now`) : state("ok", words);
}

/** The section's content; `notices` are the newest of the master, whoever said them. */
export function guardParts(line, notices) {
  const said = notices.filter(isGuards).slice(0, SAID);
  return [
    h("p", {}, guardState(line)),
    line && line.arming !== "disarmed" ? outlook(line) : null,
    said.length
      ? h(
          "ol",
          { class: "lines", "aria-label": "What the guard last said" },
          said.map((one) =>
            h(
              "li",
              { key: one.entry, class: "line line-decision" },
              timeOfDay(one.time),
              h("span", { class: "who" }, "the guard"),
              h("span", { class: "what" }, `${GUARD_KINDS[one.kind]}: ${shown(one.text)}`),
              h("code", {}, one.kind),
            ),
          ),
        )
      : line && line.arming !== "disarmed"
        ? empty("It has said nothing yet.")
        : null,
  ];
}

function outlook(line) {
  return [
    line.outlook.length
      ? h(
          "div",
          {},
          h("p", {}, "If the master died now, the guard would not order a failover:"),
          h(
            "ul",
            {},
            line.outlook.map((reason) => h("li", { key: reason }, shown(reason))),
          ),
        )
      : h("p", {}, "If the master died now, and its witnesses proved it, the guard would order a failover."),
    facts([
      ["Would ask", line.would_ask ? name(line.would_ask) : "not known yet"],
      ["Would promote", line.would_promote ? place(line.would_promote) : "not known yet"],
      ["May order", { true: "yes", false: "no: the ACL forbids it", null: "not known yet" }[line.may_order]],
      ["Lease", line.leased === null ? null : line.leased ? "held by this daemon" : "held by another daemon"],
      ["Suspended until", line.suspended_until ? time(line.suspended_until) : null],
    ]),
  ];
}
