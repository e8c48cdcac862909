// The meaning of the daemon's lines, in words. Pure functions: lines in, text out; names in the text are `shown`.

import { address, bytes, count, day, duration, list, sameAddress, shown } from "./text.js";

// The same words as in belief/words.py, with a capital; a test keeps them equal.
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

/** A stage's name in a failover's record, which may be of a mere suspicion. */
export function stageWords(failover, stage) {
  return stage === "aborted" && failover.attempted === false ? SUSPICION_ENDED : (STAGES[stage] ?? shown(stage));
}

/** The outcome of a failover's record, in words. */
export function recordWords(failover) {
  if (failover.attempted !== false) return OUTCOME[failover.outcome] ?? "Unknown";
  const stage = failover.stages.at(-1)?.stage;
  return failover.closed || !stage ? SUSPICION_ENDED : stageWords(failover, stage);
}

/** The main durations, in their order: key, name, meaning. */
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
    "from the promotion to the first +switch-master: the head start over clients that wait for it",
  ],
  ["spread", "Spread", "between the first Sentinel's +switch-master and the last one's"],
  ["reconfiguration", "Replicas", "until the other replicas followed"],
  ["return", "Return", "until the old master was back, as a replica"],
  ["total", "Total", "from the first stage to the last"],
];

/** A master's health, a key of HEALTH. A failover counts as under way until its leader has finished. */
export function healthOf(master) {
  const health = Object.hasOwn(HEALTH, master.health) ? master.health : "unknown";
  // Until then, reports about "the master" may still be about the old one.
  return promoted(master) && health !== "unknown" ? "failing-over" : health;
}

/** Whether the failover under way already has a new master. */
export const promoted = (master) => master.failover?.outcome === "completed";

/** Whether a Sentinel gets no answer from the believed master. */
export function suspects(master, sentinel) {
  return !promoted(master) && master.down_by.includes(sentinel);
}

/** Whether the Sentinels could not fail this master over now. */
export const impossible = (master) => Boolean(master.electorate?.obstacle);

/** Whether a connected Sentinel is in TILT. */
export const inTilt = (sentinel) => sentinel.tilt && sentinel.state === "live";

/** Whether Sentinels disagree and no failover explains it: after one, some give the old address for a while. */
export function disagrees(master) {
  return !promoted(master) && (master.disagreeing ?? []).length > 0;
}

/** Whether a Sentinel merely has not taken the new address of a failover yet. */
export function lags(master, opinion) {
  return promoted(master) && !opinion.agrees && (opinion.epoch ?? 0) < (master.epoch ?? 0);
}

const sentence = (text) => shown(text.charAt(0).toUpperCase() + text.slice(1));
const names = (sentinels) => list(sentinels.map(shown));
const several = (sentinels) => (sentinels.length === 1 ? names(sentinels) : count(sentinels.length, "Sentinel"));

/** The state of a failover under way, as one sentence. */
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
      reconfiguring: `${chosen} is the new master; the other replicas are ordered to follow it.`,
      settled: `${chosen} is the new master, and the failover is finished.`,
      aborted: `The ${failover.attempted === false ? "suspicion ended" : "failover was aborted"}${why(failover)}.`,
    }[last.stage] ?? shown(last.stage)
  );
}

/** How long there was no master, as the end of a sentence. */
export function outageTold(failover) {
  const took = duration(failover.durations.outage);
  const silent = failover.down_after ?? null;
  if (silent === null) return `${took} after the first suspicion`;
  return `after ${took} without a master (${duration(silent)} until it was suspected)`;
}

/** What a duration includes in addition to what its name says. */
export function counted(failover, key) {
  if (key !== "outage") return "";
  const silent = failover.down_after ?? null;
  return silent === null
    ? ": from the first suspicion on; how long it had been silent before is unknown"
    : `: ${duration(silent)} of down-after until it was suspected, then until the new one was writable`;
}

/** The result of a failover, as one sentence. */
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

/** What the epochs and addresses before and after reveal about a failover that no daemon heard. */
function missedTold({ old, new: now, away }) {
  const moved = sameAddress(old, now)
    ? `the epoch rose from ${epochs(away)}, and the master is ${address(now)} as before`
    : `the master moved ${old ? `from ${address(old)} ` : ""}to ${address(now)} in that time`;
  return `No daemon heard it: ${moved}.`;
}

/** The epochs between which something was missed. */
export const epochs = (away) => (away?.epochs ?? []).map((epoch) => epoch ?? "unknown").join(" to ");

/**
 * What is happening to a master now: sentences, the most serious first, each {level, text}; one if all is well.
 *
 * `level` is one of the keys of HEALTH. `sentinels` are the deployment's lines.
 */
export function happening(master, sentinels) {
  const told = troubles(master, sentinels);
  return told.length ? told : [{ level: "ok", text: quiet(master) }];
}

/** The same, empty if all is well. */
export function troubles(master, sentinels) {
  const told = [];
  const say = (level, text) => told.push({ level, text });
  const health = healthOf(master);
  if (sentinels.length && sentinels.every((one) => one.state !== "live"))
    say("down", "No Sentinel is connected: this is the last belief, and a failover now would go unnoticed.");
  if (impossible(master)) say("down", `${sentence(master.electorate.text)}.`);
  if (master.failover && master.failover.outcome === "in-progress")
    say(health === "ok" ? "failing-over" : health, failoverNow(master.failover));
  else if (health === "down") say("down", "The Sentinels agree that the master is down.");
  else if (health === "suspected") {
    const quorum = master.quorum ? `; ${count(master.quorum, "Sentinel")} must agree before anything is done` : "";
    say(
      "suspected",
      `${names(master.down_by)} ${master.down_by.length === 1 ? "gets" : "get"} no answer from the master${quorum}.`,
    );
  } else if (health === "unknown" && !told.length)
    say("unknown", "No connected Sentinel gives an address for this master.");
  else if (promoted(master)) say("failing-over", failoverNow(master.failover));
  else if (health === "failing-over") say("failing-over", "A failover is under way.");
  sayOfSentinels(master, sentinels, say);
  // During a failover they are being reconfigured.
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
  if (silent.length && silent.length < sentinels.length) say("suspected", `${names(silent)} can't be reached.`);
  const absent = master.electorate?.absent ?? [];
  if (absent.length) {
    const verbs = absent.length === 1 ? ["is", "does"] : ["are", "do"];
    say(
      "suspected",
      `${names(absent)} ${verbs[0]} counted but ${verbs[1]} not answer: SENTINEL RESET removes those gone for good.`,
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
  // No age here: a screen reader would read it again each second.
  const moved = master.switch?.time ? `, since ${day(master.switch.time)}` : "";
  const follow = `${count(master.replicas.length, "replica")} ${master.replicas.length === 1 ? "follows" : "follow"}`;
  return `All is well: ${address(master.address)} is the master${moved}. ${follow}, and ${shown(master.agreement)}.`;
}

/** Bytes by which a replica is behind the furthest one, as Sentinel last reported; it does not report the master's. */
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
    `says that the master is down${l.quorum ? `: ${l.agreeing} agree, ${l.quorum} needed` : ""}`,
  "-odown": () => "no longer says that the master is down",
  "+new-epoch": (l) => `begins epoch ${l.epoch ?? shown(l.payload)}`,
  "+try-failover": () => "wants to lead a failover",
  "+vote-for-leader": (l) =>
    `votes for ${shown(l.run_id ?? l.payload).slice(0, 12)}… at epoch ${l.epoch ?? "unknown"}`,
  "+elected-leader": () => "leads the failover",
  "+failover-state-select-slave": () => "looks for the best replica",
  "+selected-slave": (l) => `chooses ${about(l)}`,
  "+failover-state-send-slaveof-noone": (l) => `orders ${about(l)} to become a master`,
  "+failover-state-wait-promotion": (l) => `waits for ${about(l)} to be a master`,
  "+promoted-slave": (l) => `sees that ${about(l)} is a master`,
  "+failover-state-reconf-slaves": () => "orders the other replicas to follow",
  "+slave-reconf-sent": (l) => `orders ${about(l)} to follow the new master`,
  "+slave-reconf-inprog": (l) => `sees ${about(l)} switch to the new master`,
  "+slave-reconf-done": (l) => `sees ${about(l)} follow the new master`,
  "+switch-master": (l) => `announces the switch from ${address(l.old)} to ${address(l.new)}`,
  "+failover-end": () => "has finished the failover",
  "+failover-end-for-timeout": () => "ends the failover although not all replicas follow",
  "+convert-to-slave": (l) => `makes ${about(l)} a replica`,
  "+config-update-from": (l) => `takes the new configuration from ${about(l)}`,
  "+role-change": (l) => `sees that ${about(l)} now says that it is a ${ROLE[l.role] ?? "node of another role"}`,
  "-role-change": (l) => `sees that ${about(l)} says that it is a ${ROLE[l.role] ?? "node of another role"}`,
  "+slave": (l) => `discovers the replica ${about(l)}`,
  "+sentinel": (l) => `discovers the Sentinel ${about(l)}`,
  "+reboot": (l) => `sees that ${about(l)} was restarted`,
  "+monitor": () => "monitors this master",
  "-monitor": () => "no longer monitors this master",
  "+tilt": () => "does not trust its clock (TILT)",
  "-tilt": () => "trusts its clock again",
};

const about = (line) => (line.address ? address(line.address) : shown(line.name ?? "it"));

/** The meaning of a line of the stream, without its source. */
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
