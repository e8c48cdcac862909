// The overview's view of the daemon's digest: pure.

import { HEALTH, inTilt, troubles } from "./words.js";

/** The filters for masters: key and words. */
export const FILTERS = { ...HEALTH, disagree: "Disagreement" };

/**
 * Digest an overview, as the daemon answers it; null if there is none yet.
 *
 * Returns {masters (how many), numbers (by key of FILTERS), urgent ([{master, told}], the gravest first), troubled (how
 * many there are in all), ailing (deployments with Sentinels that are not heard or in TILT: [{part, silent, tilted,
 * deaf}], those of which none is heard first), voters (how many Sentinels), parts (the deployments)}. The masters of a
 * deployment of which none is heard are reported together.
 */
export function digest(overview) {
  const { masters, states, troubled, urgent, deployments: parts } = overview ?? EMPTY;
  const ailing = parts
    .map((part) => ({
      part,
      silent: part.sentinels.filter((one) => one.state !== "live").length,
      tilted: part.sentinels.filter(inTilt).length,
      deaf: isDeaf(part),
    }))
    .filter(({ silent, tilted, deaf: none }) => silent || tilted || none)
    .sort((a, b) => b.deaf - a.deaf);
  return {
    masters,
    numbers: states,
    urgent: urgent.map((master) => ({ master, told: troubles(master, []) })).filter(({ told }) => told.length),
    troubled,
    ailing,
    voters: parts.reduce((sum, part) => sum + part.sentinels.length, 0),
    parts,
  };
}

const EMPTY = {
  masters: 0,
  states: Object.fromEntries(Object.keys(FILTERS).map((key) => [key, 0])),
  troubled: 0,
  urgent: [],
  deployments: [],
};

/** Whether no Sentinel of a deployment is heard: then its state is unknown. */
export const isDeaf = (part) => part.sentinels.every((one) => one.state !== "live");

/** The last result of a function, as long as its arguments are the same. */
export function remembered(work) {
  let last = null;
  return (...given) => {
    if (!last || given.some((one, index) => one !== last.given[index])) last = { given, made: work(...given) };
    return last.made;
  };
}

/** A function that says whether its arguments differ from those of its last call; the first time they do. */
export function changes() {
  let last = null;
  return (...given) => {
    const differ = !last || given.some((one, index) => one !== last[index]);
    last = given;
    return differ;
  };
}
