// What the daemon's lines mean, in words. Pure functions: lines in, text out; names in the text are `shown`.

import { address, bytes, count, day, duration, list, sameAddress, shown } from "./text.js";

// The same words as in belief/words.py, with a capital; a test holds them equal.
export const HEALTH = {
  "failing-over": "Failing over",
  down: "Agreed down",
  suspected: "Suspected",
  unknown: "Unknown",
  ok: "OK",
};

export const OUTCOME = { completed: "Completed", aborted: "Aborted", "in-progress": "Failing over" };

export const STAGES = {
  suspected: "Suspected",
  "agreed-down": "Agreed down",
  electing: "Electing",
  elected: "Elected",
  selected: "Selected",
  promoting: "Promoting",
  promoted: "Promoted",
  switched: "Switched",
  reconfiguring: "Reconfiguring",
  settled: "Settled",
  aborted: "Aborted",
};

const SUSPICION_ENDED = "Suspicion ended";

/** A stage's name in a failover's record, in which a Sentinel tried a failover or not. */
export function stageWords(failover, stage) {
  return stage === "aborted" && failover.attempted === false ? SUSPICION_ENDED : (STAGES[stage] ?? shown(stage));
}

/** How a failover's record stands. */
export function recordWords(failover) {
  if (failover.attempted !== false) return OUTCOME[failover.outcome] ?? "Unknown";
  const stage = failover.stages.at(-1)?.stage;
  return failover.closed || !stage ? SUSPICION_ENDED : stageWords(failover, stage);
}

/** Durations that matter, in their order: key, name, what it means. */
export const DURATIONS = [
  [
    "outage",
    "Outage",
    "how long there was no master",
  ],
  ["detection", "Detection", "from the first suspicion until the Sentinels agreed"],
  ["election", "Election", "until one Sentinel led"],
  ["promotion", "Promotion", "from the choice of the replica until it was a master"],
  [
    "announcement",
    "Announcement",
    "from the promotion to the first +switch-master: the head start over who waits for it",
  ],
  ["spread", "Spread", "between the first Sentinel's +switch-master and the last one's"],
  ["reconfiguration", "Replicas", "until the other replicas followed"],
  ["return", "Return", "until the old master was back, as a replica"],
  ["total", "In all", "from the first stage to the last"],
];

/** How a master stands: a key of HEALTH. A failover counts as under way until its leader has done. */
export function healthOf(master) {
  const health = Object.hasOwn(HEALTH, master.health) ? master.health : "unknown";
  // What is said of "the master" meanwhile may still be about the old one.
  return promoted(master) && health !== "unknown" ? "failing-over" : health;
}

/** Whether the failover that is under way has a new master already. */
export const promoted = (master) => master.failover?.outcome === "completed";

/** Whether a Sentinel gets no answer from the master that is believed. */
export function suspects(master, sentinel) {
  return !promoted(master) && master.down_by.includes(sentinel);
}

/** Whether the Sentinels could not fail this master over now. */
export const impossible = (master) => Boolean(master.electorate?.obstacle);

/** Whether a Sentinel is in TILT, as far as it is heard. */
export const inTilt = (sentinel) => sentinel.tilt && sentinel.state === "live";

/** Whether Sentinels disagree and no failover explains it: after one, some give the old address for a while. */
export function disagrees(master) {
  return !promoted(master) && (master.disagreeing ?? []).length > 0;
}

/** Whether a Sentinel has only not taken the new address of a failover yet. */
export function lags(master, opinion) {
  return promoted(master) && !opinion.agrees && (opinion.epoch ?? 0) < (master.epoch ?? 0);
}

const sentence = (text) => shown(text.charAt(0).toUpperCase() + text.slice(1));
const names = (sentinels) => list(sentinels.map(shown));
const several = (sentinels) => (sentinels.length === 1 ? names(sentinels) : count(sentinels.length, "Sentinel"));

/** What a failover that is under way has come to, as one sentence. */
export function failoverNow(failover) {
  const { stages } = failover;
  const last = stages.at(-1);
  if (!last) return "A failover begins.";
  const leader = failover.leader ? shown(failover.leader) : "a Sentinel";
  const chosen = address(failover.new);
  return (
    {
      suspected: `${shown(last.sentinel ?? "A Sentinel")} gets no answer from the master.`,
      "agreed-down": "The Sentinels agree that the master is down; an election follows.",
      electing: "The Sentinels elect who leads the failover.",
      elected: `${leader} leads the failover and looks for the best replica.`,
      selected: `${leader} has chosen ${chosen}; it is about to be promoted.`,
      promoting: `${leader} waits until ${chosen} says that it is a master.`,
      promoted: `${chosen} is the new master and takes writes; Sentinel has not announced it yet.`,
      switched: `${chosen} is the new master, and Sentinel has announced it.`,
      reconfiguring: `${chosen} is the new master; the other replicas are told to follow it.`,
      settled: `${chosen} is the new master, and the failover is done.`,
      aborted: `The ${failover.attempted === false ? "suspicion ended" : "failover was aborted"}${why(failover)}.`,
    }[last.stage] ?? shown(last.stage)
  );
}

/** How long there was no master, with what is counted, as the end of a sentence. */
export function outageTold(failover) {
  const took = duration(failover.durations.outage);
  const silent = failover.down_after ?? null;
  if (silent === null) return `${took} after the first suspicion`;
  return `after ${took} without a master (${duration(silent)} until it was suspected)`;
}

/** What is counted in a duration beside what its name says. */
export function counted(failover, key) {
  if (key !== "outage") return "";
  const silent = failover.down_after ?? null;
  return silent === null
    ? ": from the first suspicion on; for how long it had been silent is not known"
    : `: ${duration(silent)} of down-after until it was suspected, then until the new one was writable`;
}

/** What a failover came to, as one sentence. */
export function failoverTold(failover) {
  const { outage } = failover.durations ?? {};
  const took = outage === undefined ? "" : `, ${outageTold(failover)}`;
  if (failover.missed) return missedTold(failover);
  if (failover.outcome === "completed")
    return `${address(failover.new)} took over from ${address(failover.old)}${took}.`;
  if (failover.attempted === false && failover.outcome === "aborted")
    return `The suspicion of ${address(failover.old)} ended${why(failover)}.`;
  if (failover.outcome === "aborted") {
    const wasPromoted = failover.stages.some((one) => one.stage === "promoted");
    const came = wasPromoted
      ? `${address(failover.new)} took over from ${address(failover.old)}, but not for long`
      : `No replica took over from ${address(failover.old)}`;
    return `${came}${why(failover)}.`;
  }
  return failoverNow(failover);
}

const why = (failover) => (failover.reason ? `: ${shown(failover.reason)}` : "");

/** What the epochs and addresses before and after tell of a failover that nobody heard. */
function missedTold({ old, new: now, away }) {
  const moved = sameAddress(old, now)
    ? `the epoch rose from ${epochs(away)}, and the master is ${address(now)} as before`
    : `the master moved ${old ? `from ${address(old)} ` : ""}to ${address(now)} meanwhile`;
  return `No daemon heard it: ${moved}.`;
}

/** The epochs between which something was missed. */
export const epochs = (away) => (away?.epochs ?? []).map((epoch) => epoch ?? "unknown").join(" to ");

/**
 * What is happening to a master now: sentences, the gravest first, each {level, text}; one, if all is well.
 *
 * `level` is one of the keys of HEALTH. `sentinels` are the deployment's lines.
 */
export function happening(master, sentinels) {
  const told = troubles(master, sentinels);
  return told.length ? told : [{ level: "ok", text: quiet(master) }];
}

/** The same, empty where all is well. */
export function troubles(master, sentinels) {
  const told = [];
  const say = (level, text) => told.push({ level, text });
  const health = healthOf(master);
  if (sentinels.length && sentinels.every((one) => one.state !== "live"))
    say("down", "No Sentinel is heard: this is the last belief, and a failover now would not be seen.");
  if (impossible(master)) say("down", `${sentence(master.electorate.text)}.`);
  if (master.failover && master.failover.outcome === "in-progress")
    say(health === "ok" ? "failing-over" : health, failoverNow(master.failover));
  else if (health === "down") say("down", "The Sentinels agree that the master is down.");
  else if (health === "suspected") {
    const quorum = master.quorum ? `; ${count(master.quorum, "Sentinel")} must say so before anything is done` : "";
    say(
      "suspected",
      `${names(master.down_by)} ${master.down_by.length === 1 ? "gets" : "get"} no answer from the master${quorum}.`,
    );
  } else if (health === "unknown" && !told.length)
    say("unknown", "No Sentinel that is heard says where this master is.");
  else if (promoted(master)) say("failing-over", failoverNow(master.failover));
  else if (health === "failing-over") say("failing-over", "A failover is under way.");
  sayOfSentinels(master, sentinels, say);
  // In a failover they are just being told whom to follow.
  if (!master.failover) sayOfReplicas(master, say);
  return told;
}

function sayOfSentinels(master, sentinels, say) {
  for (const opinion of master.opinions) {
    if (!opinion.live || opinion.agrees || lags(master, opinion)) continue;
    const epoch = `at epoch ${opinion.epoch ?? "unknown"}`;
    say("suspected", `${shown(opinion.sentinel)} gives another address, ${address(opinion)}, ${epoch}.`);
  }
  const behind = master.opinions
    .filter((opinion) => opinion.live && lags(master, opinion))
    .map((one) => one.sentinel);
  if (behind.length)
    say("failing-over", `${names(behind)} still ${behind.length === 1 ? "gives" : "give"} the old address.`);
  const silent = sentinels.filter((sentinel) => sentinel.state !== "live").map((sentinel) => sentinel.sentinel);
  if (silent.length && silent.length < sentinels.length) say("suspected", `${names(silent)} can't be heard.`);
  const absent = master.electorate?.absent ?? [];
  if (absent.length) {
    const verbs = absent.length === 1 ? ["is", "answers"] : ["are", "answer"];
    say(
      "suspected",
      `${names(absent)} ${verbs[0]} counted and ${verbs[1]} nobody: SENTINEL RESET forgets who is gone for good.`,
    );
  }
  const unaware = master.electorate?.unaware ?? [];
  if (unaware.length) {
    const verb = unaware.length === 1 ? "does" : "do";
    say("suspected", `${names(unaware)} ${verb} not monitor this master, and can't vote on it.`);
  }
  const shared = sentinels.filter((one) => one.shares_id_with?.length).map((one) => one.sentinel);
  if (shared.length)
    say("down", `${names(shared)} have the same id: a configuration was copied, and they do not see each other.`);
  const simulating = sentinels.filter((one) => one.simulates_failures).map((one) => one.sentinel);
  if (simulating.length)
    say("suspected", `SENTINEL SIMULATE-FAILURE was left on at ${names(simulating)}: it crashes in its next failover.`);
  const tilted = sentinels.filter(inTilt).map((sentinel) => sentinel.sentinel);
  if (tilted.length === 1)
    say("suspected", `${names(tilted)} is in TILT: it does not trust its clock and starts no failover.`);
  else if (tilted.length)
    say("suspected", `${names(tilted)} are in TILT: they do not trust their clocks and start no failover.`);
}

function sayOfReplicas(master, say) {
  for (const replica of master.replicas)
    if (replica.down_by.length)
      say("suspected", `The replica ${address(replica)} does not answer ${several(replica.down_by)}.`);
    else if (replica.link_up === false)
      say("suspected", `The replica ${address(replica)} has no link to the master.`);
  if (!master.replicas.length && master.address) say("suspected", "There is no replica that could take over.");
}

function quiet(master) {
  // No age here: a screen reader would read it anew each second.
  const moved = master.switch?.time ? `, since ${day(master.switch.time)}` : "";
  const follow = `${count(master.replicas.length, "replica")} ${master.replicas.length === 1 ? "follows" : "follow"}`;
  return `All is well: ${address(master.address)} is the master${moved}. ${follow}, and ${shown(master.agreement)}.`;
}

/** Bytes that a replica is behind the furthest one, as Sentinel last told; the master's own offset it does not tell. */
export function lag(replica, replicas) {
  if (replica.offset === null || replica.offset === undefined) return null;
  const furthest = Math.max(...replicas.map((one) => one.offset ?? 0));
  return furthest - replica.offset;
}

export function lagWords(behind) {
  return behind === null ? "offset not known" : `${bytes(behind)} behind`;
}

const LINK = { live: "heard", connecting: "connecting", greeting: "connecting", down: "not heard" };

export function linkWords(sentinel) {
  return LINK[sentinel?.state] ?? "not heard";
}

const ROLE = { master: "master", slave: "replica", replica: "replica" };

const CHANNELS = {
  "+sdown": (l) => (l.kind === "master" ? "gets no answer from the master" : `gets no answer from ${about(l)}`),
  "-sdown": (l) =>
    l.kind === "master" ? "gets answers from the master again" : `gets answers from ${about(l)} again`,
  "+odown": (l) =>
    `says that the master is down${l.quorum ? `, with ${l.agreeing} of ${l.quorum} that must agree` : ""}`,
  "-odown": () => "no longer says that the master is down",
  "+new-epoch": (l) => `begins epoch ${l.epoch ?? shown(l.payload)}`,
  "+try-failover": () => "wants to lead a failover",
  "+vote-for-leader": (l) =>
    `votes for ${shown(l.run_id ?? l.payload).slice(0, 12)}… at epoch ${l.epoch ?? "unknown"}`,
  "+elected-leader": () => "leads the failover",
  "+failover-state-select-slave": () => "looks for the best replica",
  "+selected-slave": (l) => `chooses ${about(l)}`,
  "+failover-state-send-slaveof-noone": (l) => `tells ${about(l)} to be a master`,
  "+failover-state-wait-promotion": (l) => `waits for ${about(l)} to be a master`,
  "+promoted-slave": (l) => `sees that ${about(l)} is a master`,
  "+failover-state-reconf-slaves": () => "tells the other replicas to follow",
  "+slave-reconf-sent": (l) => `tells ${about(l)} to follow the new master`,
  "+slave-reconf-inprog": (l) => `sees ${about(l)} turn to the new master`,
  "+slave-reconf-done": (l) => `sees ${about(l)} follow the new master`,
  "+switch-master": (l) => `announces the switch from ${address(l.old)} to ${address(l.new)}`,
  "+failover-end": () => "has finished the failover",
  "+failover-end-for-timeout": () => "ends the failover though not all replicas follow",
  "+convert-to-slave": (l) => `makes ${about(l)} a replica`,
  "+config-update-from": (l) => `takes the new configuration from ${about(l)}`,
  "+role-change": (l) => `sees that ${about(l)} now says that it is a ${ROLE[l.role] ?? "node of another role"}`,
  "-role-change": (l) => `sees that ${about(l)} says that it is a ${ROLE[l.role] ?? "node of another role"}`,
  "+slave": (l) => `knows the replica ${about(l)}`,
  "+sentinel": (l) => `knows the Sentinel ${about(l)}`,
  "+reboot": (l) => `sees that ${about(l)} was started anew`,
  "+monitor": () => "monitors this master",
  "-monitor": () => "no longer monitors this master",
  "+tilt": () => "does not trust its clock (TILT)",
  "-tilt": () => "trusts its clock again",
};

const about = (line) => (line.address ? address(line.address) : shown(line.name ?? "it"));

/** What a line of the stream says, without who said it. */
export function lineWords(line) {
  if (line.type === "event") {
    const words = Object.hasOwn(CHANNELS, line.channel) ? CHANNELS[line.channel](line) : null;
    return words ?? shown(line.payload);
  }
  if (line.type === "switch") return `Switch to ${address(line.new)}: ${shown(line.why)}`;
  if (line.type === "witness") {
    const { length } = line.witnesses;
    return `${count(length, "Sentinel")} ${length === 1 ? "confirms" : "confirm"} the switch to ${address(line.new)}`;
  }
  if (line.type === "failover") return reached(line);
  return shown(line.text ?? line.type);
}

function reached(line) {
  if (line.missed) return "Failover: missed while away";
  const stage = line.stages.at(-1)?.stage;
  const words = stage ? stageWords(line, stage) : recordWords(line);
  return line.attempted === false ? words : `Failover: ${words.toLowerCase()}`;
}
