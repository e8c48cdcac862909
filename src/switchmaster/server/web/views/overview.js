// All masters of all deployments: what needs attention, in words; then every master, with search and filter.

import { path } from "../api.js";
import { FILTERS, changes, digest, isDeaf, remembered } from "../digest.js";
import { worst } from "../doctor.js";
import { h, update } from "../dom.js";
import { empty, healthState, icon, missing, name, place, state, table, timeAgo } from "../parts.js";
import { toDoctor, toFailover, toMaster, toOverview } from "../routes.js";
import { ago, count, seconds, shown } from "../text.js";
import { HEALTH, disagrees, healthOf, impossible } from "../words.js";

const ROWS = 100; // masters asked for at first; the others on demand
const MOST = 1_000; // masters in one answer: searching finds the others
const NONE = [];
const DOCTORS = path("doctor", { type: "diagnosis" });
const CLAIMS = path("claims"); // who watches which deployments, where several daemons share them
const COLUMNS = [
  ["Master"],
  ["State"],
  ["Address"],
  ["Epoch", "number"],
  ["Replicas"],
  ["Sentinels"],
  ["Last switch"],
];

export function makeOverview({ live, filters, place: go, soon }) {
  const search = h("input", {
    type: "search",
    id: "find",
    placeholder: "Name, deployment or address",
    value: filters.find ?? "",
    autocomplete: "off",
    spellcheck: "false",
  });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Filter by state" });
  const now = h("section", { class: "now", "aria-labelledby": "now-title" });
  const said = h("div", { "aria-live": "polite" });
  const tables = h("div", {});
  const found = h("p", { class: "unseen", role: "status" });
  const running = new Map(); // the ids of open failovers, by master: the belief has no ids
  let shownRows = ROWS;
  let wanted = Object.hasOwn(FILTERS, filters.state ?? "") ? filters.state : "";

  const digested = remembered(digest);
  const changed = changes();
  let last = { value: null, error: null }; // the last answer, which stays until the one to other filters comes

  search.addEventListener("input", remember);
  chips.addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    wanted = chip.dataset.state;
    remember();
  });
  tables.addEventListener("click", (event) => {
    if (!event.target.closest("button.more")) return;
    shownRows = Math.min(shownRows + ROWS, MOST);
    ask();
  });
  now.append(h("h2", { id: "now-title" }, "Now"), said);

  function remember() {
    shownRows = ROWS;
    go(toOverview({ find: search.value.trim(), state: wanted }));
    ask();
  }

  /** Which part of the masters is shown: the daemon searches and filters. */
  function asked() {
    const find = search.value.trim().toLowerCase();
    return path("overview", { find: find || null, state: wanted || null, limit: shownRows });
  }

  function ask() {
    live.show([asked(), DOCTORS, CLAIMS]);
    soon();
  }

  function answered() {
    const answer = live.get(asked());
    if (answer.value || !last.value) last = answer;
    return last;
  }

  function render() {
    const answer = answered();
    const told = digested(answer.value);
    update(said, drawNow(told, running));
    update(chips, drawChips(told, wanted));
    const rows = answer.value?.found ?? 0;
    const drawn = told.parts.reduce((sum, { items }) => sum + items.length, 0);
    const narrowed = Boolean(search.value.trim() || wanted);
    update(found, narrowed ? `${count(rows, "master")} found` : null);
    const sums = live.get(DOCTORS).value?.items ?? NONE;
    const claims = narrowed ? NONE : (live.get(CLAIMS).value?.items ?? NONE).filter((line) => !line.here);
    const away = live.get("status").value?.share?.available === false;
    const others = claims.length ? JSON.stringify([claims, away]) : "";
    const ages = agesOf(told.parts, live.now());
    // Rows are drawn again only if what they say has changed: there may be a thousand.
    if (changed(answer.value, answer.value ? null : answer.error, narrowed, ages, others))
      update(
        tables,
        missing(answer, "The masters"),
        drawDeployments(told.parts, narrowed, live.now(), sums),
        answer.value && !rows ? drawNone(told) : null,
        rows > drawn && drawn ? drawMore(rows - drawn, drawn < MOST) : null,
        drawElsewhere(claims, away),
      );
    else updateAbouts(tables, shownParts(told.parts, narrowed), sums);
  }

  return {
    title: () => titleOf(digested(last.value)),
    element: [
      h("h1", {}, "Masters"),
      now,
      h("div", { class: "tools" }, h("label", { class: "field search" }, h("span", {}, "Search"), search), chips),
      found,
      tables,
    ],
    needs: [asked(), DOCTORS, CLAIMS],
    render,
    told(line) {
      if (line.type !== "failover" || !line.id) return;
      const key = keyOf(line);
      if (line.closed) running.delete(key);
      else running.set(key, line.id);
    },
    focus: search,
  };
}

/** The title of the tab: the most serious state, with the number of masters in it. */
function titleOf({ numbers, ailing }) {
  if (ailing.some(({ deaf }) => deaf)) return "Not watched · Masters";
  const worst = ["down", "failing-over", "suspected", "unknown"].find((key) => numbers[key]);
  return worst ? `${numbers[worst]} ${HEALTH[worst].toLowerCase()} · Masters` : "Masters";
}

function drawNow({ masters, urgent, troubled, ailing, voters, parts }, running) {
  if (!urgent.length && !ailing.length) {
    const numbers = [
      [masters, "master"],
      [parts.length, "deployment"],
      [voters, "Sentinel"],
    ].map(([number, word]) => count(number, word));
    const quiet = `All is well: ${numbers[0]} of ${numbers[1]}, watched by ${numbers[2]}.`;
    return masters ? [h("p", { class: "quiet-words" }, icon("ok"), quiet)] : [];
  }
  return [
    h(
      "ul",
      { class: "urgent" },
      ailing.filter(({ deaf }) => deaf).map(drawAiling),
      urgent.map((one) => drawUrgent(one, running)),
      ailing.filter(({ deaf }) => !deaf).map(drawAiling),
    ),
    troubled > urgent.length ? h("p", {}, `and ${count(troubled - urgent.length, "master")} more`) : null,
  ];
}

function drawUrgent({ master, told }, running) {
  const failover = running.get(keyOf(master));
  return h(
    "li",
    { key: keyOf(master) },
    h("a", { href: toMaster(master.deployment, master.master) }, name(master.master)),
    state(told[0].level, wordOf(master, told[0].level)),
    h("span", { class: "sentence" }, told[0].text),
    failover ? h("a", { href: toFailover(failover) }, "Timeline") : null,
  );
}

/** The state of a master that needs attention: its health may be ok, and something else wrong. */
function wordOf(master, level) {
  if (impossible(master)) return "No failover possible";
  if (level !== "suspected" || healthOf(master) === "suspected") return HEALTH[level];
  return disagrees(master) ? FILTERS.disagree : "Degraded";
}

function drawAiling({ part, silent, tilted, deaf }) {
  const all = part.sentinels.length;
  const sentences = [
    deaf ? deafWords(part) : null,
    silent && !deaf ? `${count(silent, "Sentinel")} of ${all} can't be reached.` : null,
    tilted === 1 ? `1 Sentinel of ${all} is in TILT and starts no failover.` : null,
    tilted > 1 ? `${tilted} Sentinels of ${all} are in TILT and start no failover.` : null,
  ];
  return h(
    "li",
    { key: `\n${part.deployment}` },
    h("strong", {}, name(part.deployment)),
    deaf ? state("down", "Not watched") : state("suspected", silent ? "Sentinels unreachable" : "TILT"),
    h("span", { class: "sentence" }, sentences.filter(Boolean).join(" ")),
  );
}

function deafWords({ sentinels, masters }) {
  const known = masters
    ? `The state of ${count(masters, "master")} is the last belief: a failover now would go unnoticed.`
    : "Nothing is known about its masters.";
  return `None of ${count(sentinels.length, "Sentinel")} is connected. ${known}`;
}

function drawChips({ masters, numbers }, wanted) {
  const chip = (key, words, number) =>
    h(
      "button",
      {
        type: "button",
        key,
        "data-state": key,
        "aria-pressed": String(wanted === key),
        class: `chip level-${key}${number ? "" : " none"}`,
      },
      Object.hasOwn(HEALTH, key) ? icon(key) : null,
      h("span", {}, words),
      h("span", { class: "number" }, number.toLocaleString("en")),
    );
  return [
    chip("", "All", masters),
    Object.entries(FILTERS).map(([key, words]) => chip(key, words, numbers[key])),
  ];
}

function drawNone({ masters }) {
  if (masters) return empty("No matching master. ", h("a", { href: "#/" }, "Show all."));
  return empty("No master is monitored here, or no Sentinel has reported one yet.");
}

function drawMore(left, may) {
  if (!may) return h("p", { class: "about" }, `${count(left, "master")} more: search or filter to see them.`);
  const words = `Show ${Math.min(ROWS, left)} more of ${count(left, "master")}`;
  return h("button", { type: "button", class: "more" }, words);
}

/** The deployments with the masters that were answered; those without masters only if all are shown. */
function drawDeployments(parts, narrowed, now, sums) {
  return shownParts(parts, narrowed).map((part) => drawDeployment(part, now, sums));
}

const shownParts = (parts, narrowed) => parts.filter((part) => part.items.length || !(narrowed || part.masters));

/** What `lastSwitch` says of all masters that are drawn: it changes by itself. */
function agesOf(parts, now) {
  return parts.flatMap(({ items }) => items.map((master) => ageOf(master, now))).join();
}

function updateAbouts(tables, parts, sums) {
  const abouts = tables.querySelectorAll(":scope > section > .about");
  parts.forEach((part, index) => update(abouts[index], aboutOf(part, sums)));
}

/** The deployments that other daemons watch; nothing where none is shared. */
function drawElsewhere(lines, away) {
  if (!lines.length) return null;
  return h(
    "section",
    { class: "deployment", key: "\nelsewhere" },
    h("h2", {}, "On other daemons"),
    h(
      "p",
      { class: "about" },
      away ? [icon("suspected"), "As last known, because the journal can't be reached: "] : null,
      count(lines.length, "deployment"),
    ),
    table(
      "Deployments that other daemons watch",
      [["Deployment"], ["Watched by"], ["Masters", "number"]],
      lines.slice(0, ROWS).map(elsewhere),
    ),
    lines.length > ROWS ? h("p", { class: "about" }, `and ${count(lines.length - ROWS, "deployment")} more`) : null,
  );
}

function elsewhere(line) {
  const names = line.daemons.map(({ daemon }) => shown(daemon)).join(", ");
  const short = line.ready < line.wanted;
  return {
    key: line.deployment,
    cells: [
      name(line.deployment),
      names ? [short ? icon("suspected") : null, names] : state("down", "Not watched"),
      Math.max(0, ...line.daemons.map(({ masters }) => masters)),
    ],
  };
}

const keyOf = (line) => `${line.deployment}\n${line.master}`;

function aboutOf(part, sums) {
  const heard = part.sentinels.filter((one) => one.state === "live").length;
  const silent = heard < part.sentinels.length;
  const sum = sums.find((one) => one.deployment === part.deployment);
  return [
    isDeaf(part) ? [state("down", "Not watched"), " "] : silent ? icon("suspected") : null,
    `${heard} of ${count(part.sentinels.length, "Sentinel")} heard, ${count(part.masters, "master")}`,
    sum ? [". Doctor: ", h("a", { href: toDoctor({ deployment: part.deployment }) }, worst(sum))] : null,
  ];
}

function drawDeployment(part, now, sums) {
  return h(
    "section",
    { class: isDeaf(part) ? "deployment deaf" : "deployment", key: part.deployment },
    h("h2", {}, name(part.deployment)),
    h("p", { class: "about" }, aboutOf(part, sums)),
    table(
      `Masters of ${shown(part.deployment)}`,
      COLUMNS,
      part.items.map((master) => row(master, now)),
    ),
  );
}

function row(master, now) {
  const up = master.replicas.filter((one) => !one.down_by.length && one.link_up !== false).length;
  const heard = master.opinions.filter((one) => one.live);
  const agree = heard.filter((one) => one.agrees).length;
  return {
    key: master.master,
    class: `row-${healthOf(master)}`,
    cells: [
      h("a", { href: toMaster(master.deployment, master.master) }, name(master.master)),
      healthState(healthOf(master)),
      place(master.address),
      master.epoch ?? "–",
      master.replicas.length ? partly(up, master.replicas.length, "up") : partly(0, 1, "up", "none"),
      partly(agree, Math.max(master.electorate.known, heard.length), "agree"),
      lastSwitch(master, now),
    ],
  };
}

function partly(part, whole, words, instead = `${part} of ${whole} ${words}`) {
  return part < whole ? h("span", { class: "warn" }, icon("suspected"), instead) : instead;
}

function ageOf(master, now) {
  const at = seconds(master.switch?.time);
  return at === null ? "" : ago(Math.max(0, now - at));
}

function lastSwitch(master, now) {
  if (healthOf(master) === "failing-over") return "under way";
  return seconds(master.switch?.time) === null
    ? h("span", { class: "faint" }, "none seen")
    : timeAgo(master.switch.time, now);
}
