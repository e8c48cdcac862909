// The overview's view of a whole topology, computed once for each answer: pure, and fast for 10,000 masters.

import { HEALTH, disagrees, healthOf, impossible, inTilt, troubles } from "./words.js";

/** The filters for masters: key and words. */
export const FILTERS = { ...HEALTH, disagree: "Disagreement" };

/**
 * Digest the topologies of all deployments.
 *
 * Returns {masters, numbers (by key of FILTERS), urgent ([{master, told}], the gravest first), ailing (deployments with
 * Sentinels that are not heard or in TILT: [{topology, silent, tilted, deaf}], those of which none is heard first),
 * voters (how many Sentinels)}. The masters of a deployment of which none is heard are reported together.
 */
export function digest(topologies) {
  const masters = topologies.flatMap((topology) => topology.masters);
  const numbers = Object.fromEntries(Object.keys(FILTERS).map((key) => [key, 0]));
  for (const master of masters) {
    numbers[healthOf(master)] += 1;
    if (disagrees(master)) numbers.disagree += 1;
  }
  const deaf = new Set(topologies.filter(isDeaf).map((topology) => topology.deployment));
  const urgent = masters
    .filter((master) => !deaf.has(master.deployment))
    .map((master) => ({ master, told: troubles(master, []) }))
    .filter(({ told }) => told.length)
    .sort((a, b) => rank(a.master) - rank(b.master));
  const ailing = topologies
    .map((topology) => ({
      topology,
      silent: topology.sentinels.filter((one) => one.state !== "live").length,
      tilted: topology.sentinels.filter(inTilt).length,
      deaf: deaf.has(topology.deployment),
    }))
    .filter(({ silent, tilted, deaf: none }) => silent || tilted || none)
    .sort((a, b) => b.deaf - a.deaf);
  const voters = topologies.reduce((sum, topology) => sum + topology.sentinels.length, 0);
  return { masters, numbers, urgent, ailing, voters };
}

/** Whether no Sentinel of a deployment is heard: then its state is unknown. */
export const isDeaf = (topology) => topology.sentinels.every((one) => one.state !== "live");

/** The masters, in their order, that match `wanted` (a key of FILTERS, or empty) and contain all words. */
export function chosen(topologies, words, wanted) {
  const fits = (master) => stands(master, wanted) && words.every((word) => textOf(master).includes(word));
  return topologies.map((topology) => ({ topology, masters: topology.masters.filter(fits) }));
}

function stands(master, wanted) {
  if (!wanted) return true;
  return wanted === "disagree" ? disagrees(master) : healthOf(master) === wanted;
}

function textOf({ master, deployment, address }) {
  return `${master}\n${deployment}\n${address ? `${address.host}:${address.port}` : ""}`.toLowerCase();
}

const rank = (master) =>
  Object.keys(HEALTH).indexOf(healthOf(master)) - (master.failover ? 10 : 0) - (impossible(master) ? 20 : 0);

/** The last result of a function, as long as its arguments are the same. */
export function remembered(work) {
  let last = null;
  return (...given) => {
    if (!last || given.some((one, index) => one !== last.given[index])) last = { given, made: work(...given) };
    return last.made;
  };
}
