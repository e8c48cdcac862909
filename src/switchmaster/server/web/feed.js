// The events and decisions of one master or of all, newest first: from the journal, and from the stream as they come.

import { path } from "./api.js";
import { h, update } from "./dom.js";
import { empty, icon, name, timeOfDay } from "./parts.js";
import { toFailover } from "./routes.js";
import { seconds, shown } from "./text.js";
import { lineWords } from "./words.js";

const PAGE = 60;
const FIRST = matchMedia("(max-width: 640px)").matches ? 15 : PAGE; // lines drawn at first
const MOST = 600; // lines kept; the oldest are dropped first
const APART = 5; // seconds by which daemons' clocks, and the times at which they hear, may differ
const DECISIONS = new Set(["switch", "failover", "notice", "action"]);

export class Feed {
  #api;
  #lines = new Map(); // by the entry in the journal
  #next = null; // the next page's cursor
  #error = "";
  #loaded = false;
  #all = true;
  #room = FIRST; // most lines drawn

  /** Of one master; `changed` is called when there is something new to draw. */
  constructor(api, deployment, master, changed) {
    this.#api = api;
    this.deployment = deployment;
    this.master = master;
    this.changed = changed;
    this.element = h("div", { class: "feed" });
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.act === "older") this.#older();
      if (button?.dataset.act === "which") {
        this.#all = button.dataset.which === "all";
        this.render();
      }
    });
  }

  /** Load a page: the newest if there is no cursor. */
  async load(cursor = null) {
    const { deployment, master } = this;
    try {
      const { body } = await this.#api.get(path("events", { deployment, master, cursor, limit: PAGE }));
      for (const line of body.items) this.#take(line, line.entry);
      if (cursor !== null || !this.#loaded) this.#next = body.next;
      [this.#loaded, this.#error] = [true, ""];
    } catch (error) {
      this.#error = error.message;
    }
    this.render();
  }

  /** Draw more of the loaded lines, and load the next. */
  #older() {
    this.#room += FIRST;
    if (this.#next && this.#lines.size < this.#room) void this.load(this.#next);
    else this.render();
  }

  told(line, entry) {
    if (this.#take(line, entry)) this.render();
  }

  #take(line, entry) {
    if (line.deployment !== this.deployment || line.master !== this.master || this.#lines.has(entry)) return false;
    this.#lines.set(entry, line);
    if (this.#lines.size > MOST) {
      this.#lines.delete(Math.min(...this.#lines.keys()));
      this.#next = null;
    }
    return true;
  }

  render() {
    // By the time of the events: several daemons commit at different times, and one that was down commits later.
    const news = newsOf([...this.#lines.entries()].sort(([a], [b]) => a - b))
      .filter(([, line]) => this.#all || DECISIONS.has(line.type))
      .sort(([a, one], [b, other]) => (seconds(timeOf(other)) ?? 0) - (seconds(timeOf(one)) ?? 0) || b - a);
    const drawn = news.slice(0, this.#room);
    const button = (which, words) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "data-act": "which",
          "data-which": which,
          "aria-pressed": String(this.#all === (which === "all")),
        },
        words,
      );
    update(
      this.element,
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "What is listed" },
        button("all", "Everything"),
        button("decisions", "Decisions"),
      ),
      this.#error
        ? empty(`The journal can't be read: ${shown(this.#error)}. New events are listed anyway.`)
        : null,
      drawn.length
        ? h(
            "div",
            { role: "log", "aria-live": "off", "aria-label": "Events, newest first" },
            h(
              "ol",
              { class: "lines" },
              drawn.map(([entry, line]) => drawLine(entry, line)),
            ),
          )
        : null,
      drawn.length
        ? null
        : empty(this.#loaded ? "No event for this master yet." : this.#error ? "" : "Loading the events."),
      this.#next || news.length > drawn.length
        ? h("button", { type: "button", class: "more", "data-act": "older" }, "Show older")
        : null,
    );
    this.changed();
  }
}

/** Without repetitions: a failover is reported again with each witness, an event by each daemon. */
export function newsOf(oldestFirst) {
  const stages = new Map();
  const isFirst = firstOfDaemons();
  return oldestFirst.filter(([, line]) => {
    if (line.type === "event") return isFirst(line);
    if (line.type !== "failover") return true;
    const stage = `${line.outcome} ${line.stages.length}`;
    const news = stages.get(line.id) !== stage;
    stages.set(line.id, stage);
    return news;
  });
}

/** Return a filter that drops events reported by another daemon already: a Sentinel may publish the same repeatedly. */
function firstOfDaemons() {
  const said = new Map(); // by event: when, how often, and how often each daemon reported it
  return ({ sentinel, channel, payload, time, run }) => {
    const key = [sentinel, channel, payload].join("\n");
    const at = seconds(time);
    const last = said.get(key);
    const same = last && Math.abs(at - last.at) <= APART ? last : { times: 0, by: new Map() };
    const told = (same.by.get(run) ?? 0) + 1;
    same.by.set(run, told);
    const first = told > same.times;
    said.set(key, { ...same, at: first ? at : same.at, times: Math.max(told, same.times) });
    return first;
  };
}

/** The time of a line: a failover's line comes at each stage, whose own time counts. */
function timeOf(line) {
  return line.type === "failover" ? (line.stages.at(-1)?.time ?? line.time) : line.time;
}

function drawLine(entry, line) {
  const level = { switch: "failing-over", notice: "suspected", failover: "failing-over" }[line.type];
  const told =
    line.type === "failover" && line.id ? h("a", { href: toFailover(line.id) }, lineWords(line)) : lineWords(line);
  return h(
    "li",
    { key: entry, class: `line line-${DECISIONS.has(line.type) ? "decision" : "event"}` },
    timeOfDay(timeOf(line) ?? null),
    h("span", { class: "who" }, level ? icon(level) : null, line.sentinel ? name(line.sentinel) : "switchmaster"),
    h("span", { class: "what" }, told),
    line.channel ? h("code", {}, shown(line.channel)) : h("code", {}, shown(line.type)),
  );
}
