// The failovers in the journal, newest first, with filters; new ones appear by themselves.

import { path } from "../api.js";
import { h, update } from "../dom.js";
import { choices, empty, field, missing, name, outcomeState, place, state, table, time, took } from "../parts.js";
import { toFailover, toHistory, toMaster } from "../routes.js";
import { shown } from "../text.js";

const PAGE = 50;
const COLUMNS = [
  ["Began"],
  ["Master"],
  ["Outcome"],
  ["Kind"],
  ["From"],
  ["To"],
  ["Outage", "number"],
  ["Total", "number"],
  ["Acknowledged"],
];
const OUTCOMES = [
  ["", "All outcomes"],
  ["completed", "Completed"],
  ["aborted", "Aborted"],
  ["in-progress", "Failing over"],
];
const KINDS = [
  ["", "All kinds"],
  ["automatic", "Automatic"],
  ["manual", "Manual"],
  ["coordinated", "Coordinated"],
];
const ACKNOWLEDGED = [
  ["", "Any"],
  ["false", "Not yet"],
  ["true", "Yes"],
];


/** An entered moment, in the viewer's zone, in the API's form; undefined if there is none. */
function momentOf(entered) {
  const at = new Date(entered ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

export function makeHistory({ live, api, filters, go }) {
  const { deployment, master, outcome, kind, acknowledged, suspicions, q } = filters;
  const [since, until] = [momentOf(filters.since), momentOf(filters.until)];
  const asked = { deployment, master, outcome, kind, acknowledged, suspicions, since, until, q, limit: PAGE };
  const source = path("failovers", asked);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const form = h(
    "div",
    { class: "tools" },
    field("Text", { type: "search", name: "q", value: q ?? "", maxlength: 200, placeholder: "Name, address, comment" }),
    field("Master", { type: "text", name: "master", value: master ?? "", autocomplete: "off", spellcheck: "false" }),
    field(`From (${zone})`, { type: "datetime-local", name: "since", value: since ? filters.since : "" }),
    field(`Until (${zone})`, { type: "datetime-local", name: "until", value: until ? filters.until : "" }),
    choices("Outcome", "outcome", OUTCOMES, outcome),
    choices("Kind", "kind", KINDS, kind),
    choices("Acknowledged", "acknowledged", ACKNOWLEDGED, acknowledged),
    h(
      "label",
      { class: "field check" },
      h("input", { type: "checkbox", name: "suspicions", checked: suspicions === "true" }),
      h("span", {}, "Include suspicions without failover"),
    ),
  );
  const narrowed = h("p", { class: "about" });
  const list = h("div", {});
  let older = []; // pages after the first
  let next;
  let problem = "";

  form.addEventListener("change", (event) => {
    const { name: which, type, checked, value } = event.target;
    go(toHistory({ ...filters, [which]: type === "checkbox" ? (checked ? "true" : "") : value }));
  });
  list.addEventListener("click", async (event) => {
    if (!event.target.closest("button.more")) return;
    try {
      const { body } = await api.get(path("failovers", { ...asked, cursor: next ?? live.get(source).value.next }));
      older = [...older, ...body.items];
      [next, problem] = [body.next, ""];
    } catch (error) {
      problem = error.message;
    }
    render();
  });

  function render() {
    const first = live.get(source);
    const found = [...(first.value?.items ?? []), ...older];
    const rows = [...new Map(found.map((line) => [line.id, line])).values()].map(row);
    const more = next === undefined ? first.value?.next : next;
    update(
      narrowed,
      master || deployment
        ? [
            "Only of ",
            master ? [name(master), " in "] : null,
            name(deployment ?? "all deployments"),
            ". ",
            h("a", { href: toHistory() }, "Show all"),
          ]
        : null,
    );
    update(
      list,
      missing(first, "The history"),
      first.value && first.error
        ? empty(`The journal can't be read now: ${shown(first.error.message)}. This is its last answer.`)
        : null,
      first.value && !rows.length
        ? empty("No matching failover in the journal.")
        : null,
      rows.length ? table("Failovers, newest first", COLUMNS, rows) : null,
      problem ? empty(shown(problem)) : null,
      more ? h("button", { type: "button", class: "more" }, "Show older") : null,
    );
  }

  return {
    title: master ? `${shown(master)} · History` : "History",
    element: [h("h1", {}, "History"), narrowed, form, list],
    needs: [source],
    render,
    told() {},
  };
}

function row(line) {
  const estimated = new Set(line.estimated ?? []);
  return {
    key: line.id,
    cells: [
      [line.missed ? "before " : null, h("a", { href: toFailover(line.id) }, time(line.time))],
      h(
        "span",
        {},
        h("a", { href: toMaster(line.deployment, line.master) }, name(line.master)),
        h("span", { class: "faint" }, " in ", name(line.deployment)),
      ),
      [outcomeState(line), line.missed ? h("span", { class: "faint" }, "missed while away") : null],
      line.kind ? shown(line.kind) : "not known",
      place(line.old),
      line.new ? place(line.new) : "no new master",
      [
        took(line.durations.outage, estimated.has("outage")),
        line.durations.outage !== undefined && (line.down_after ?? null) === null
          ? h("span", { class: "faint" }, " since the suspicion")
          : null,
      ],
      took(line.durations.total, estimated.has("total")),
      line.acknowledged ? state("ok", "yes") : "not yet",
    ],
  };
}
