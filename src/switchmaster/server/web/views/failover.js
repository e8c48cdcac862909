// One failover: its result, the main durations, its timeline, every stage, and comments.

import { path } from "../api.js";
import { h, s, update } from "../dom.js";
import { isGuards } from "../guard.js";
import { GROUPS, SPANS, drawMark, drawTimeline, isRunning, layoutTimeline, marksOf } from "../drawing/timeline.js";
import {
  empty,
  facts,
  field,
  missing,
  name,
  outcomeState,
  place,
  state,
  table,
  time,
  timeOfDay,
  took,
} from "../parts.js";
import { toHistory, toMaster } from "../routes.js";
import { count, duration, seconds, shown } from "../text.js";
import { DURATIONS, counted, epochs, failoverTold, recordWords, stageWords } from "../words.js";

const STEPS = [["Stage"], ["After", "number"], ["At"], ["First reported by"], ["Also by"]];
const EVENTS = 1_000; // most events of one failover
const BEFORE = 2; // seconds before the first stage in which events may belong to it
const AFTER = 5; // seconds after the last
const STORED = "switchmaster.by";

export function makeFailover({ live, api, parts: [id], act }) {
  const source = `failovers/${encodeURIComponent(id)}`;
  const head = h("div", { class: "head" });
  const words = h("div", { class: "situation", "aria-live": "polite" });
  const lasted = h("div", { class: "durations" });
  const drawing = h("figure", { class: "drawing" });
  const spans = h("div", { class: "chips", role: "group", "aria-label": "Part of the timeline" });
  const legend = h("div", {});
  const steps = h("div", {});
  const said = h("div", {});
  const form = makeForm({ live, api, source, act });
  const saving = h("button", { type: "button" }, "Post-mortem (Markdown)");
  const notSaved = h("p", { role: "alert", class: "problem" });
  const report = h("div", { class: "report" }, saving, notSaved);
  const section = (key, title, ...parts) =>
    h("section", { "aria-labelledby": key }, h("h2", { id: key }, title), ...parts);
  const sections = [
    section("line", "Timeline", spans, drawing, legend),
    section("lasted", "Durations", lasted),
    section("steps", "Stages", steps),
    section("said", "Comments", said, form.element),
  ];
  const events = new Map(); // by the entry in the journal
  let told = null; // the newest line of the stream; it has no comments
  let asked = false;
  let problem = "";
  let span = "whole";
  saving.addEventListener("click", async () => {
    try {
      await api.save(`${source}/postmortem`, `failover-${id}.md`);
      notSaved.textContent = "";
    } catch (error) {
      notSaved.textContent = shown(error.message);
    }
  });
  spans.addEventListener("click", (event) => {
    span = event.target.closest("button")?.dataset.span ?? span;
    render();
  });

  function current() {
    const answer = live.get(source).value;
    if (!answer) return told;
    return told && newer(told, answer) ? { ...answer, ...told } : answer;
  }

  async function loadEvents(failover) {
    asked = true;
    const begin = seconds(failover.time);
    const last = Math.max(...failover.stages.map((stage) => seconds(stage.time) ?? 0), seconds(failover.ended) ?? 0);
    const until = failover.closed ? iso(last + AFTER) : null;
    const { deployment, master } = failover;
    try {
      const type = ["event", "notice"];
      const wanted = { type, deployment, master, since: iso(begin - BEFORE), until, limit: EVENTS };
      const { body } = await api.get(path("events", wanted));
      for (const line of body.items) events.set(line.entry, line);
      problem = "";
    } catch (error) {
      problem = error.message;
    }
    render();
  }

  function render() {
    const failover = current();
    for (const one of [report, ...sections]) one.hidden = !failover;
    if (!failover) {
      const gone = live.get(source).error?.status === 404;
      update(head, h("h1", {}, gone ? "No such failover" : "Failover"));
      update(words, gone ? notFound(id) : missing(live.get(source), "This failover"));
      return;
    }
    if (!asked && failover.time && !failover.missed) void loadEvents(failover);
    update(
      head,
      h(
        "p",
        { class: "crumbs" },
        "Failover of ",
        h("a", { href: toMaster(failover.deployment, failover.master) }, name(failover.master)),
        " in ",
        name(failover.deployment),
      ),
      h("h1", {}, place(failover.old), " → ", failover.new ? place(failover.new) : "no new master"),
      outcomeState(failover),
      failover.acknowledged ? state("ok", "Acknowledged") : null,
    );
    update(words, h("p", { class: "first" }, failoverTold(failover)));
    renderDurations(failover);
    renderTimeline(failover);
    update(
      steps,
      failover.stages.length
        ? table(
            "Stages",
            STEPS,
            failover.stages.map((stage, index) => stepRow(stage, index, failover)),
          )
        : empty("No stage was heard."),
    );
    update(said, comments(failover));
    form.render();
  }

  function renderDurations(failover) {
    const { away } = failover;
    const known = DURATIONS.filter(([key]) => failover.durations[key] !== undefined);
    const estimated = new Set(failover.estimated ?? []);
    update(
      lasted,
      known.length
        ? h(
            "dl",
            {},
            known.map(([key, title, what]) =>
              h(
                "div",
                { key, class: `lasted lasted-${key}` },
                h("dt", {}, title),
                h(
                  "dd",
                  {},
                  took(failover.durations[key], estimated.has(key)),
                  h("span", { class: "faint" }, what + counted(failover, key)),
                ),
              ),
            ),
          )
        : empty("No duration is known."),
      facts([
        ["Began", failover.missed ? null : time(failover.time)],
        ["Not before", away ? time(away.after) : null],
        ["Not after", away ? time(away.before) : null],
        ["Kind", failover.kind ? shown(failover.kind) : "not known"],
        ["Epoch", away ? epochs(away) : (failover.epoch ?? "not known")],
        ["Led by", failover.leader ? name(failover.leader) : "not known"],
        [
          "Agreed",
          failover.agreement ? `${failover.agreement.agreeing} say down, ${failover.agreement.quorum} needed` : null,
        ],
        [
          "Candidates",
          failover.candidates.length > 1 ? failover.candidates.map((one) => h("div", {}, name(one))) : null,
        ],
        ["Recorded by", failover.observers?.length ? failover.observers.map((one) => h("div", {}, name(one))) : null],
      ]),
    );
  }

  function renderTimeline(failover) {
    const heard = [...events.values()].sort((a, b) => seconds(a.time) - seconds(b.time));
    const width = drawing.clientWidth;
    const layout = width
      ? layoutTimeline({ failover, events: heard, sentinels: [], width, now: live.now(), span })
      : null;
    const seen = new Set(["whole", ...failover.stages.map((stage) => stage.stage)]);
    const offered = Object.entries(SPANS).filter(([key]) => layout && seen.has(key));
    update(spans, offered.length > 1 ? offered.map(([key, words]) => spanButton(key, words, key === span)) : null);
    if (!layout) {
      update(drawing, failover.missed ? empty("No daemon heard this failover.") : null);
      update(legend);
      return;
    }
    const lanes = `${count(layout.lanes.length, "lane")} over ${duration(layout.end - layout.begin)}`;
    update(drawing, drawTimeline(layout, `Timeline with ${lanes}; the table below has every stage`));
    const groups = new Set(layout.lanes.flatMap((lane) => lane.marks.map((mark) => mark.group)));
    update(
      legend,
      h(
        "ul",
        { class: "legend" },
        Object.entries(GROUPS)
          .filter(([group]) => groups.has(group))
          .map(([group, meaning]) =>
            h(
              "li",
              { key: group },
              s(
                "svg",
                { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true", class: `mark mark-${group}` },
                drawMark(group, 8, 8),
              ),
              meaning,
            ),
          ),
      ),
      problem ? empty(`The Sentinels' own events can't be shown: ${shown(problem)}.`) : null,
      h(
        "details",
        {},
        h("summary", {}, "All events, in order"),
        h(
          "ol",
          { class: "lines" },
          marksOf(failover, heard).map((mark) =>
            h(
              "li",
              { key: `${mark.lane} ${mark.channel} ${mark.words}`, class: "line" },
              h("span", { class: "after" }, duration(mark.time - layout.begin)),
              h("span", { class: "who" }, name(mark.lane)),
              h("span", { class: "what" }, mark.words),
              h("code", {}, shown(mark.channel)),
            ),
          ),
        ),
      ),
    );
  }

  return {
    title: () => {
      const failover = current();
      if (!failover) return live.get(source).error?.status === 404 ? "No such failover" : "Failover";
      return `${shown(failover.master)} · ${recordWords(failover)}`;
    },
    element: [head, words, report, ...sections],
    needs: [source],
    render,
    told(line, entry) {
      const failover = current();
      if (line.type === "failover" && line.id === id) told = line;
      else if ((line.type !== "event" && !isGuards(line)) || !failover || failover.closed) return;
      else if (line.deployment !== failover.deployment || line.master !== failover.master) return;
      else if (events.size < EVENTS) events.set(entry, line);
      render();
    },
    opened: () => {
      asked = false;
    },
    resized: render,
    /** Whether it moves by itself, without news. */
    moving: () => {
      const failover = current();
      return (
        Boolean(failover?.stages.length) && isRunning(failover, seconds(failover.stages.at(-1).time), live.now())
      );
    },
  };
}

function notFound(id) {
  return [
    h("p", {}, `The journal has no failover ${id}: the id is wrong, or retention has removed it.`),
    h("p", {}, h("a", { href: toHistory() }, "All failovers in the journal")),
  ];
}

function spanButton(key, words, pressed) {
  return h("button", { type: "button", class: "chip", "data-span": key, "aria-pressed": String(pressed) }, words);
}

/** Whether the stream's line is newer than the answer: a record only grows. */
function newer(line, answer) {
  return line.closed >= answer.closed && line.stages.length >= answer.stages.length;
}

const iso = (at) => new Date(at * 1000).toISOString();

function stepRow(stage, index, failover) {
  // Each daemon measures from the first stage that it heard: several share only wall clocks.
  const alone = (failover.observers ?? []).length < 2;
  const begin = Math.min(...failover.stages.map((one) => seconds(one.time)));
  const after = (alone ? stage.elapsed : null) ?? seconds(stage.time) - begin;
  const who = stage.sentinel ? name(stage.sentinel) : stage.by === "ROLE" ? "the node itself" : "–";
  const what = [
    stageWords(failover, stage.stage),
    stage.replica ? [" ", place(stage.replica)] : null,
    stage.voted_for ? [" vote for ", name(stage.voted_for)] : null,
    stage.reason ? `: ${shown(stage.reason)}` : null,
  ];
  return {
    key: `${index} ${stage.stage}`,
    cells: [
      [h("span", {}, what), " ", h("code", {}, shown(stage.by))],
      duration(after),
      timeOfDay(stage.time),
      who,
      stage.also?.length ? stage.also.map((one) => h("div", {}, name(one))) : "–",
    ],
  };
}

function comments(failover) {
  const all = failover.comments ?? [];
  if (!all.length) return empty("No acknowledgement and no comment yet.");
  return h(
    "ol",
    { class: "comments" },
    all.map((one) =>
      h(
        "li",
        {},
        h("p", { class: "faint" }, name(one.by), one.acknowledges ? " acknowledged, " : " commented, ", time(one.time)),
        one.text ? h("p", { class: "said" }, shown(one.text)) : null,
      ),
    ),
  );
}

/** The form to acknowledge and comment; made once, so that no typed text is lost. */
function makeForm({ live, api, source, act }) {
  const by = h("input", {
    name: "by",
    id: "by",
    required: true,
    maxlength: 200,
    autocomplete: "name",
    value: localStorage.getItem(STORED) ?? "",
  });
  const text = h("textarea", { name: "text", id: "text", rows: 3, maxlength: 10_000 });
  const problem = h("p", { role: "alert", class: "problem" });
  const buttons = ["acknowledge", "comments"].map((what) =>
    h("button", { type: "submit", value: what }, what === "comments" ? "Comment" : "Acknowledge"),
  );
  const labelled = (label, input) => {
    const made = field(label, {});
    made.lastChild.replaceWith(input);
    return made;
  };
  const form = h(
    "form",
    { class: "say" },
    labelled("Your name", by),
    labelled("Comment", text),
    h("div", { class: "buttons" }, buttons),
    problem,
  );
  const nobody = empty("Acknowledging and commenting are disabled: the daemon has no token for it (http.token_file).");
  const element = h("div", {}, form);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const what = event.submitter?.value ?? "comments";
    problem.textContent = "";
    if (what === "comments" && !text.value.trim()) {
      problem.textContent = "Enter a comment first.";
      text.focus();
      return;
    }
    localStorage.setItem(STORED, by.value);
    const body = { by: by.value, [what === "comments" ? "text" : "comment"]: text.value };
    for (const button of buttons) button.disabled = true;
    try {
      const failover = await act(() => api.post(`${source}/${what}`, body));
      if (failover) {
        text.value = "";
        live.put(source, failover);
      }
    } catch (error) {
      problem.textContent = shown(error.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  });

  return {
    element,
    render() {
      const access = live.get("status").value?.access;
      update(element, access?.act === "nobody" ? nobody : form);
    },
  };
}
