// What follows a switch: each action, what it is to do for each master, what it did last, and pauses.

import { path } from "../api.js";
import { h, update } from "../dom.js";
import { empty, field, missing, name, place, state, table, time, timeAgo } from "../parts.js";
import { toMaster } from "../routes.js";
import { shown } from "../text.js";

const STORED = "switchmaster.by";
const RECEIPTS = 30;
const ROWS = 200;
const CONFIGURED = [["Action"], ["Acts on"], ["When"], ["Masters"], ["Order"]];
const REACTIONS = [["Action"], ["Master"], ["Place"], ["State"], ["Attempts", "number"], ["Since"], ["Said"]];
const RECEIVED = [["Ended"], ["Action"], ["Master"], ["Place"], ["Outcome"], ["Attempts", "number"], ["Said"]];
const PAUSED = [["Paused"], ["Until"], ["By"], ["Reason"], ["Order"]];
const LEVELS = {
  done: "ok",
  "dry-run": "ok",
  idle: "unknown",
  superseded: "unknown",
  running: "failing-over",
  pending: "failing-over",
  interrupted: "suspected",
  expired: "suspected",
  drifted: "suspected",
  "gave-up": "down",
  failed: "down",
};
const ACTIONS = path("actions");
const PAUSES = path("pauses");
const WISHES = path("reactions", { limit: ROWS });
const DONE = path("receipts", { limit: RECEIPTS });

export function makeActions({ live, api, act }) {
  const by = h("input", { id: "actions-by", maxlength: 200, autocomplete: "name" });
  by.value = localStorage.getItem(STORED) ?? "";
  const reason = h("input", { id: "actions-reason", maxlength: 500, autocomplete: "off" });
  const problem = h("p", { role: "alert", class: "problem" });
  const all = h("button", { type: "button", "data-pause": "" }, "Pause all actions");
  const orders = h(
    "form",
    { class: "say" },
    labelled("Your name", by),
    labelled("Reason", reason),
    h("div", { class: "buttons" }, all),
  );
  const nobody = empty("Pausing is disabled: the daemon has no token for it (http.token_file).");
  const asks = h("div", {});
  const pauses = h("div", { "aria-live": "polite" });
  const actions = h("div", {});
  const wishes = h("div", {});
  const receipts = h("div", {});

  async function send(order, names) {
    problem.textContent = "";
    localStorage.setItem(STORED, by.value);
    try {
      const body = { ...names, by: by.value, ...(order === "pause" ? { reason: reason.value } : {}) };
      if ((await act(() => api.post(`actions/${order}`, body))) !== null) live.refresh();
    } catch (error) {
      problem.textContent = shown(error.message);
    }
  }

  const element = h(
    "div",
    { class: "actions" },
    h("h1", {}, "Actions"),
    pauses,
    actions,
    asks,
    problem,
    h("h2", {}, "How each stands"),
    wishes,
    h("h2", {}, "What was done last"),
    receipts,
  );
  orders.addEventListener("submit", (event) => event.preventDefault());
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-pause], button[data-resume]");
    if (!button) return;
    if (button.dataset.resume !== undefined) void send("resume", JSON.parse(button.dataset.resume));
    else void send("pause", { action: button.dataset.pause });
  });

  function render() {
    const found = live.get(ACTIONS);
    const may = live.get("status").value?.access.act !== "nobody";
    const items = found.value?.items ?? [];
    update(
      actions,
      missing(found, "The actions"),
      found.value && !items.length ? empty("No action is configured.") : null,
      items.length
        ? table(
            "Actions",
            CONFIGURED,
            items.map((one) => configured(one, may)),
          )
        : null,
    );
    update(
      asks,
      items.length ? (may ? orders : nobody) : null,
    );
    const held = live.get(PAUSES).value?.items ?? [];
    update(pauses, held.length ? table("Pauses", PAUSED, held.map((one) => paused(one, may))) : null);
    list(wishes, live.get(WISHES), "How each action stands", REACTIONS, wish, "No switch has come yet.");
    list(receipts, live.get(DONE), "What actions did last", RECEIVED, receipt, "Nothing was done yet.");
  }

  function list(into, resource, caption, columns, row, nothing) {
    const lines = resource.value?.items ?? [];
    update(
      into,
      missing(resource, caption),
      resource.value && !lines.length ? empty(nothing) : null,
      lines.length ? table(caption, columns, lines.map((line) => row(line, live.now()))) : null,
    );
  }

  return { title: "Actions", element: [element], needs: [ACTIONS, PAUSES, WISHES, DONE], render, told() {} };
}

function labelled(label, input) {
  const made = field(label, {});
  made.lastChild.replaceWith(input);
  return made;
}

function configured(one, may) {
  const states = Object.entries(one.states).sort();
  const when = [
    one.group,
    `grade ${one.grade}`,
    one.every ? "every switch" : "the newest",
    one.local ? "on each daemon" : null,
    one.dry_run ? "dry run" : null,
  ];
  return {
    key: one.action,
    cells: [
      name(one.action),
      [`${shown(one.kind)} `, h("span", { class: "faint" }, shown(one.summary))],
      when.filter((words) => words).join(", "),
      states.length
        ? states.map(([which, count]) => state(LEVELS[which] ?? "unknown", `${count} ${which}`))
        : "nothing yet",
      may
        ? h("button", { type: "button", "data-pause": one.action, "aria-label": `Pause ${one.action}` }, "Pause")
        : null,
    ],
  };
}

function paused(one, may) {
  const { action, deployment, master } = one;
  const what = [action, deployment, master].filter((part) => part).map(shown).join(" ") || "all actions";
  const names = JSON.stringify({ action, deployment, master });
  return {
    key: names,
    cells: [
      state("suspected", what),
      one.until ? time(one.until) : "it is resumed",
      shown(one.by) || "–",
      said(one.reason),
      may ? h("button", { type: "button", "data-resume": names, "aria-label": `Resume ${what}` }, "Resume") : null,
    ],
  };
}

function wish(line, now) {
  return {
    key: line.id,
    cells: [
      [name(line.action), line.place ? h("span", { class: "faint" }, " on ", name(line.place)) : null],
      of(line),
      line.new ? place(line.new) : "–",
      state(LEVELS[line.state] ?? "unknown", shown(line.state)),
      line.attempts,
      timeAgo(line.wished, now),
      said(line.problem),
    ],
  };
}

function receipt(line) {
  return {
    key: line.id,
    cells: [
      time(line.ended ?? line.started),
      [name(line.action), h("span", { class: "faint" }, " by ", name(line.observer))],
      of(line),
      place(line.switch.new),
      state(LEVELS[line.outcome] ?? "unknown", shown(line.outcome)),
      line.attempts,
      said(line.output.slice(0, 300)),
    ],
  };
}

const said = (text) => (text ? h("span", { class: "said" }, shown(text)) : "–");

function of(line) {
  return h(
    "span",
    {},
    h("a", { href: toMaster(line.deployment, line.master) }, name(line.master)),
    h("span", { class: "faint" }, " in ", name(line.deployment)),
  );
}
