// One master: what is happening to it in words, its deployment as a drawing and in tables, and its events.

import { path } from "../api.js";
import { doctorParts } from "../doctor.js";
import { h, update } from "../dom.js";
import { drawTopology, layoutTopology } from "../drawing/topology.js";
import { Feed } from "../feed.js";
import { guardParts } from "../guard.js";
import { makePlanned } from "../planned.js";
import { proxyParts } from "../proxy.js";
import { empty, facts, healthState, icon, missing, name, place, state, table, time, timeAgo } from "../parts.js";
import { toFailover, toHistory } from "../routes.js";
import { address, count, shown } from "../text.js";
import {
  HEALTH,
  happening,
  healthOf,
  impossible,
  inTilt,
  lag,
  lagWords,
  lags,
  linkWords,
  promoted,
  recordWords,
  suspects,
} from "../words.js";

const NOTICES = 50; // those of the guard are among them

const REPLICAS = [
  ["Replica"],
  ["State"],
  ["Behind the furthest", "number"],
  ["Offset", "number"],
  ["Priority", "number"],
];
const SENTINELS = [
  ["Sentinel"],
  ["Link"],
  ["Master according to it"],
  ["Epoch", "number"],
  ["Last heard"],
  ["Version"],
];

export function makeMaster({ live, api, act, parts: [deployment, called] }) {
  // In a query, because a path can't contain every name: "..", or bytes that are not text.
  const source = path("masters", { deployment, master: called });
  const voters = path("sentinels", { deployment });
  const newest = path("failovers", { deployment, master: called, limit: 1 });
  const guards = path("guard", { deployment, master: called });
  const doctors = path("doctor", { deployment, master: called });
  const planneds = path("planned-failovers", { deployment, master: called });
  const proxies = path("proxy", { deployment, master: called });
  const notices = path("events", { type: "notice", deployment, master: called, limit: NOTICES });
  const head = h("div", { class: "head" });
  const words = h("div", { class: "situation", "aria-live": "polite" });
  const drawing = h("figure", { class: "drawing" });
  const known = h("div", {});
  const guard = h("div", { class: "guard" });
  const doctor = h("div", { class: "doctor" });
  const proxy = h("div", {});
  const proxied = h("section", { "aria-labelledby": "proxy" }, h("h2", { id: "proxy" }, "Proxy"), proxy);
  const planned = makePlanned({ live, api, act, source: planneds, deployment, called });
  const feed = new Feed(api, deployment, called, () => {});

  const current = () => live.get(source).value?.items[0] ?? null;

  function render() {
    const master = current();
    const sentinels = live.get(voters).value?.items ?? [];
    update(
      head,
      h("p", { class: "crumbs" }, "Master of ", name(deployment)),
      h("h1", {}, name(called)),
      master ? healthState(healthOf(master)) : null,
    );
    if (!master) {
      update(
        words,
        missing(live.get(source), "This master") ??
          empty("No connected Sentinel monitors a master of that name."),
      );
      update(drawing);
      update(known);
      update(guard);
      update(doctor);
      proxied.hidden = true;
      planned.render(null);
      return;
    }
    const told = happening(master, sentinels);
    update(
      words,
      told.map(({ level, text }, index) => h("p", { class: index ? "" : "first" }, icon(level), text)),
      master.failover ? underWay() : null,
    );
    const others = `${count(sentinels.length, "Sentinel")} and ${count(master.replicas.length, "replica")}`;
    const summary = `The master ${address(master.address)} with ${others}; the tables below have the same data`;
    const width = drawing.clientWidth;
    update(
      drawing,
      width && sentinels.length ? drawTopology(layoutTopology({ master, sentinels, width }), summary) : null,
    );
    update(known, tables(master, sentinels, live, newestFailover()));
    planned.render(master);
    update(guard, guardParts(live.get(guards).value?.items[0] ?? null, live.get(notices).value?.items ?? []));
    const [front] = live.get(proxies).value?.items ?? [];
    proxied.hidden = !front;
    update(proxy, front ? proxyParts(front) : null);
    update(doctor, doctorParts(live.get(doctors).value?.items ?? [], live.now()));
  }

  /** The newest failover in the journal, which has the id of the belief's own. */
  function newestFailover() {
    return live.get(newest).value?.items[0] ?? null;
  }

  function underWay() {
    const failover = newestFailover();
    return failover && !failover.closed
      ? h("p", {}, h("a", { href: toFailover(failover.id) }, "See its timeline"))
      : null;
  }

  void feed.load();
  return {
    title: () => {
      const master = current();
      const standing = !master ? "" : impossible(master) ? "No failover possible" : HEALTH[healthOf(master)];
      return [shown(called), standing].filter(Boolean).join(" · ");
    },
    element: [
      head,
      words,
      h("section", { "aria-labelledby": "who" }, h("h2", { id: "who" }, "Deployment"), drawing, known),
      h("section", { "aria-labelledby": "planned" }, h("h2", { id: "planned" }, "Planned failover"), planned.element),
      h("section", { "aria-labelledby": "guard" }, h("h2", { id: "guard" }, "Guard"), guard),
      proxied,
      h("section", { "aria-labelledby": "doctor" }, h("h2", { id: "doctor" }, "Doctor"), doctor),
      h(
        "section",
        { "aria-labelledby": "feed" },
        h("h2", { id: "feed" }, "Events and decisions"),
        h("p", {}, h("a", { href: toHistory({ deployment, master: called }) }, "All failovers of this master")),
        feed.element,
      ),
    ],
    needs: [source, voters, newest, guards, planneds, proxies, doctors, notices],
    render,
    told: (line, entry) => feed.told(line, entry),
    opened: () => feed.load(),
    resized: render,
  };
}

function tables(master, sentinels, live, failover) {
  return [
    facts([
      ["Address", place(master.address)],
      ["Epoch", master.epoch ?? "–"],
      ["Quorum", master.quorum ?? "–"],
      ["Grade", GRADES[master.grade] ?? shown(master.grade)],
      [
        "Last switch",
        master.switch
          ? h("span", {}, time(master.switch.time), ", from ", place(master.switch.old))
          : "none since the daemon started",
      ],
      [
        "Last failover",
        failover
          ? h(
              "span",
              {},
              h("a", { href: toFailover(failover.id) }, time(failover.time)),
              ", ",
              // The belief still counts it as under way until the leader has finished.
              (promoted(master) && !failover.closed ? HEALTH["failing-over"] : recordWords(failover)).toLowerCase(),
            )
          : "none in the journal",
      ],
    ]),
    h("h3", {}, "Replicas"),
    master.replicas.length
      ? table(
          "Replicas",
          REPLICAS,
          master.replicas.map((row) => replicaRow(row, master.replicas)),
        )
      : empty(
          master.failover
            ? "No Sentinel has reported the new master's replicas yet."
            : "No replica is known that could take over.",
        ),
    h("h3", {}, "Sentinels"),
    sentinels.length
      ? table(
          "Sentinels",
          SENTINELS,
          sentinels.map((one) => sentinelRow(one, master, live.now())),
        )
      : empty("No Sentinel is known yet."),
  ];
}

const GRADES = {
  announced: "announced: one Sentinel said so",
  promoted: "promoted: the node itself says so",
  agreed: "agreed: most Sentinels say so",
};

function replicaRow(row, all) {
  const down = row.down_by.length;
  const standing = down
    ? state("down", `not answering ${count(down, "Sentinel")}`)
    : row.link_up === false
      ? state("suspected", "link down")
      : row.link_up === null
        ? state("unknown", "link unknown")
        : state("ok", "link up");
  return {
    key: address(row),
    cells: [
      place(row),
      standing,
      lagWords(lag(row, all)),
      row.offset?.toLocaleString("en") ?? "–",
      row.priority === 0 ? "0: never promoted" : (row.priority ?? "–"),
    ],
  };
}

function sentinelRow(sentinel, master, now) {
  const opinion = master.opinions.find((one) => one.sentinel === sentinel.sentinel);
  const link = sentinel.state === "live" ? state("ok", "heard") : state("down", linkWords(sentinel));
  const why =
    sentinel.reason && sentinel.state !== "live" ? h("span", { class: "faint" }, shown(sentinel.reason)) : null;
  const says = !opinion
    ? master.electorate.unaware.includes(sentinel.sentinel)
      ? h("span", { class: "warn" }, icon("suspected"), "does not monitor it")
      : "–"
    : opinion.agrees
      ? place(opinion)
      : lags(master, opinion)
        ? [place(opinion), " still"]
        : h("span", { class: "warn" }, icon("suspected"), place(opinion));
  const down = suspects(master, sentinel.sentinel)
    ? h("span", { class: "warn" }, icon("suspected"), "and gets no answer")
    : null;
  return {
    key: sentinel.sentinel,
    cells: [
      h("span", {}, name(sentinel.sentinel), inTilt(sentinel) ? [" ", state("suspected", "TILT")] : null),
      [link, why],
      [says, down],
      opinion?.epoch ?? "–",
      sentinel.last_heard ? timeAgo(sentinel.last_heard, now) : "never",
      shown(sentinel.version ?? "–"),
    ],
  };
}
