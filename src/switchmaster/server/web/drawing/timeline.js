// A failover as a timeline: its stages as bands at the top, and one lane for each Sentinel with its events.
//
// `layoutTimeline` is pure: lines in, positions out. Marks that would overlap are put below each other.

import { s } from "../dom.js";
import { GUARD_KINDS, isGuards } from "../guard.js";
import { duration, middle, seconds, shown } from "../text.js";
import { lineWords, stageWords } from "../words.js";

const NARROW = 640; // px; below it a lane's name stands above it
const NAMES = 190; // px for names beside the lanes
const TOP = 46; // px: bands
const LANE = 40;
const ROW = 11; // px between marks that would overlap
const SIZE = 11; // px that a mark takes
const END = 18; // px at the right, so that the last mark is whole
const AXIS = 26;

/** Groups of events, each with its own shape. */
export const GROUPS = {
  suspicion: "suspects",
  agreement: "agrees that it is down",
  election: "election",
  selection: "chooses a replica",
  promotion: "promotion",
  announcement: "+switch-master",
  replicas: "replicas follow",
  retraction: "withdraws it",
  end: "done",
  abort: "aborted",
  guard: "the guard",
};

const GROUP_OF = {
  "+sdown": "suspicion",
  "-sdown": "retraction",
  "+odown": "agreement",
  "-odown": "retraction",
  "+try-failover": "election",
  "+vote-for-leader": "election",
  "+elected-leader": "election",
  "+selected-slave": "selection",
  "+failover-state-wait-promotion": "promotion",
  "+promoted-slave": "promotion",
  ROLE: "promotion",
  "+switch-master": "announcement",
  "+slave-reconf-sent": "replicas",
  "+slave-reconf-inprog": "replicas",
  "+slave-reconf-done": "replicas",
  "+failover-end": "end",
  "+failover-end-for-timeout": "end",
  "-failover-abort-not-elected": "abort",
  "-failover-abort-no-good-slave": "abort",
  "-failover-abort-slave-timeout": "abort",
  "-failover-abort-master-timeout": "abort",
  ...Object.fromEntries(Object.keys(GUARD_KINDS).map((kind) => [kind, "guard"])),
};

const NODE_LANE = "the node itself";
const GUARD_LANE = "the guard";
const OURS = [GUARD_LANE, NODE_LANE];

/**
 * The events of a failover, each once: {lane, time, group, words}, in order.
 *
 * `lines` are the Sentinels' own events and the guard's notices; if the journal has no events any more, stages,
 * announcements and the record's remarks take their place.
 */
export function marksOf(failover, lines) {
  const events = lines.filter((line) => line.type !== "notice");
  const found = new Map();
  const add = (lane, at, channel, words) => {
    const time = seconds(at);
    const several = channel.startsWith("+slave-reconf") || channel.endsWith("sdown") || lane === GUARD_LANE;
    const key = `${lane}\n${channel}\n${several ? words : ""}`;
    if (time !== null && Object.hasOwn(GROUP_OF, channel) && !found.has(key))
      found.set(key, { lane, time, group: GROUP_OF[channel], channel, words });
  };
  for (const event of events)
    if (event.kind !== "sentinel" && !(event.channel.endsWith("sdown") && event.kind !== "master"))
      add(event.sentinel, event.time, event.channel, lineWords(event));
  const guards = (at, kind, text) => add(GUARD_LANE, at, kind, `${GUARD_KINDS[kind]}: ${shown(text)}`);
  for (const line of lines.filter(isGuards)) guards(line.time, line.kind, line.text);
  for (const one of failover.remarks ?? [])
    if (one.from === "guard" && Object.hasOwn(GUARD_KINDS, one.remark)) guards(one.time, one.remark, one.text);
  for (const stage of failover.stages) {
    const words = stage.by === "ROLE" ? "answers ROLE master" : stageWords(failover, stage.stage);
    if (stage.by === "ROLE" || !events.length)
      add(stage.by === "ROLE" ? NODE_LANE : stage.sentinel, stage.time, stage.by, words);
  }
  for (const said of failover.announcements ?? [])
    add(said.sentinel, said.time, "+switch-master", "announces the switch");
  return [...found.values()].sort((a, b) => a.time - b.time);
}

/** The sources of lines, in order of name; the guard and the node itself first. */
function lanesOf(failover, marks, sentinels) {
  const stages = failover.stages.flatMap((stage) => [stage.sentinel, ...(stage.also ?? [])]);
  const names = new Set(
    [...sentinels, ...stages, ...marks.map((mark) => mark.lane)].filter((name) => name && !OURS.includes(name)),
  );
  return [...OURS.filter((name) => marks.some((mark) => mark.lane === name)), ...[...names].sort()];
}

/** The ends up to which a timeline may be shown: key and words. */
export const SPANS = { whole: "Whole", switched: "Until announced", promoted: "Until promoted" };

/** When a span ends: a little after its stage; null if that stage was not seen. */
function spanEnd(span, stages, begin) {
  const stage = stages.find((one) => one.stage === span);
  return stage ? stage.at + (stage.at - begin) * 0.06 : null;
}

/**
 * Lay out a timeline.
 *
 * `events` are the Sentinels' own lines and the guard's, `span` is a key of SPANS, `width` is in px, `now` in seconds
 * since 1970.
 * Returns null if the failover has no times.
 */
export function layoutTimeline({ failover, events, sentinels, width, now, span = "whole" }) {
  const narrow = width < NARROW;
  const left = narrow ? 8 : NAMES;
  const marks = marksOf(failover, events);
  const stages = failover.stages
    .map((stage) => ({ ...stage, at: seconds(stage.time) }))
    .filter((stage) => stage.at !== null);
  if (!stages.length) return null;
  const begin = Math.min(...stages.map((stage) => stage.at));
  const said = marks.filter((mark) => mark.group === "announcement").map((mark) => mark.time);
  const last = Math.max(...stages.map((stage) => stage.at), ...said);
  const running = span === "whole" && isRunning(failover, last, now);
  const end = spanEnd(span, stages, begin) ?? Math.max(running ? now : last, last, begin + 0.05);
  const x = (time) => left + ((time - begin) / (end - begin)) * (width - left - END);
  const within = marks.filter((mark) => mark.time >= begin - 0.5 && mark.time <= end + 0.001);
  const lanes = laidOut(failover, within, lanesOf(failover, marks, sentinels), { x, left, narrow });
  const bottom = lanes.length ? lanes.at(-1).bottom : TOP;
  return {
    ...{ width, height: bottom + AXIS, narrow, left, begin, end, bottom, lanes },
    bands: bandsOf(
      failover,
      stages.filter((stage) => stage.at <= end),
      x,
      width - END,
    ),
    axis: axisOf(end - begin, (offset) => x(begin + offset), width - left),
    now: running ? x(end) : null,
  };
}

/** Whether a failover is in progress: one without news for a minute no longer moves. */
export function isRunning(failover, last, now) {
  return !failover.closed && now - last < 60;
}

/** The lanes one below the other, each as high as its marks need. */
function laidOut(failover, marks, names, { x, left, narrow }) {
  const head = narrow ? 18 : 0;
  let y = TOP;
  return names.map((name) => {
    const own = marks.filter((mark) => mark.lane === name);
    const { placed, rows } = stacked(own, x, left);
    const height = Math.max(LANE, (rows - 1) * ROW + 26);
    const middleOf = (row) => y + head + height / 2 + (row - (rows - 1) / 2) * ROW;
    const lane = { name, leads: name === failover.leader, y, head, height, bottom: y + head + height };
    lane.marks = placed.map((mark) => ({ ...mark, y: middleOf(mark.row) }));
    y = lane.bottom;
    return lane;
  });
}

/** Give each mark its x and a row without overlap; four rows at most. */
function stacked(marks, x, left) {
  const free = [];
  const placed = marks.map((mark) => {
    const at = Math.max(left, x(mark.time));
    let row = free.findIndex((until) => until <= at);
    if (row < 0) row = free.length < 4 ? free.length : free.indexOf(Math.min(...free));
    free[row] = at + SIZE;
    return { ...mark, x: at, row };
  });
  return { placed, rows: Math.max(1, free.length) };
}

function bandsOf(failover, stages, x, right) {
  const firsts = stages.filter((stage, index) => stages.findIndex((one) => one.stage === stage.stage) === index);
  const ordered = firsts.sort((a, b) => a.at - b.at);
  return ordered.map((stage, index) => {
    const from = x(stage.at);
    const to = index + 1 < ordered.length ? x(ordered[index + 1].at) : right;
    const label = stageWords(failover, stage.stage);
    return {
      stage: stage.stage,
      x: from,
      width: Math.max(to - from, 1),
      label: label.length * 6.7 + 8 <= to - from ? label : "",
      words: label,
    };
  });
}

/** Ticks at round offsets, as many as there is room for. */
function axisOf(span, x, width) {
  const most = Math.max(2, Math.floor(width / 80));
  let step = 0.001;
  for (const factor of cycle([2, 2.5, 2])) {
    if (span / step <= most) break;
    step *= factor;
  }
  const ticks = [];
  for (let offset = 0; offset <= span + step / 100; offset += step)
    ticks.push({ x: x(offset), label: offset ? duration(Number(offset.toPrecision(6))) : "0" });
  return ticks;
}

function* cycle(values) {
  for (;;) yield* values;
}

export function drawTimeline(layout, title) {
  const { width, height, left, narrow, bottom } = layout;
  return s(
    "svg",
    { class: "timeline", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    layout.axis.map((tick) =>
      s(
        "g",
        { class: "tick" },
        s("line", { x1: tick.x, x2: tick.x, y1: TOP - 6, y2: bottom }),
        s(
          "text",
          {
            x: tick.x,
            y: bottom + 18,
            "text-anchor": tick.x - left < 4 ? "start" : tick.x > width - 40 ? "end" : "middle",
          },
          tick.label,
        ),
      ),
    ),
    layout.bands.map((band) =>
      s(
        "g",
        { key: band.stage, class: `band band-${band.stage}` },
        s("title", {}, band.words),
        s("rect", { x: band.x, y: 6, width: band.width, height: 26, rx: 3 }),
        band.label ? s("text", { x: band.x + 5, y: 23 }, band.label) : null,
      ),
    ),
    layout.lanes.map((lane) =>
      s(
        "g",
        { key: lane.name, class: `lane${lane.leads ? " leads" : ""}` },
        s("line", {
          class: "floor",
          x1: 0,
          x2: width,
          y1: lane.bottom,
          y2: lane.bottom,
        }),
        s(
          "text",
          { class: "lane-name", x: 0, y: narrow ? lane.y + 15 : lane.y + lane.height / 2 + (lane.leads ? -2 : 4) },
          middle(shown(lane.name), lane.leads && !narrow ? 18 : 22),
        ),
        lane.leads
          ? s(
              "text",
              { class: "lane-leads", x: narrow ? 170 : 0, y: narrow ? lane.y + 15 : lane.y + lane.height / 2 + 13 },
              "leads",
            )
          : null,
        lane.marks.map((mark) =>
          s(
            "g",
            { key: `${mark.channel} ${mark.words}`, class: `mark mark-${mark.group}` },
            s(
              "title",
              {},
              `${duration(mark.time - layout.begin)}: ${shown(lane.name)} ${mark.words} (${shown(mark.channel)})`,
            ),
            drawMark(mark.group, mark.x, mark.y),
          ),
        ),
      ),
    ),
    layout.now === null ? null : s("line", { class: "running", x1: layout.now, x2: layout.now, y1: 2, y2: bottom }),
  );
}

/** A shape for each group: colour is never alone. */
export function drawMark(group, x, y) {
  const d = {
    suspicion: `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z`,
    agreement: `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z`,
    election: `M${x} ${y - 5}l5 9h-10z`,
    selection: `M${x} ${y - 5.5}l5.5 5.5-5.5 5.5-5.5-5.5z`,
    promotion: `M${x} ${y - 6}l1.8 4h4.2l-3.4 2.8 1.3 4.3-3.9-2.6-3.9 2.6 1.3-4.3-3.4-2.8h4.2z`,
    announcement: `M${x - 4.5} ${y - 4.5}h9v9h-9z`,
    replicas: `M${x - 1.5} ${y - 5.5}h3v11h-3z`,
    retraction: `M${x - 4.5} ${y}h9`,
    end: `M${x - 5} ${y}l3.5 4 6-8`,
    abort: `M${x - 4} ${y - 4}l8 8M${x + 4} ${y - 4}l-8 8`,
    guard: `M${x} ${y - 6}l5 2v4q0 4-5 6.5q-5-2.5-5-6.5v-4z`,
  }[group];
  return s("path", { d });
}
