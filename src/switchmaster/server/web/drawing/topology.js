// The drawing of a master's deployment: its Sentinels, itself, its replicas, their opinions and links.
//
// `layoutTopology` is pure: lines in, positions out. `drawTopology` makes them SVG. Nodes are identified by address, so
// that after a switch the same boxes move to their new places.

import { s } from "../dom.js";
import { icon } from "../parts.js";
import { address, middle, sameAddress, shown } from "../text.js";
import { healthOf, inTilt, lag, lagWords, lags, linkWords, promoted, suspects } from "../words.js";

const NARROW = 640; // px; below it there are two columns
const BOX = { height: 58, gap: 16 };
const MOST = 16; // boxes of one column; the tables below have all

export function layoutTopology({ master, sentinels, width }) {
  const narrow = width < NARROW;
  const box = narrow ? Math.floor((width - 28) / 2) : Math.min(228, Math.floor(width * 0.27));
  const right = width - box;
  const pitch = BOX.height + BOX.gap;
  const voters = sentinels.slice(0, MOST);
  const nodes = nodesOf(master).slice(0, MOST + 1);
  const others = nodes.length - 1;
  const rows = narrow ? Math.max(voters.length, nodes.length) : Math.max(voters.length, others, 1);
  const height = rows * pitch - BOX.gap;
  const top = (number) => (height - (number * pitch - BOX.gap)) / 2;
  const placed = nodes.map((node, index) => {
    if (narrow)
      return {
        ...node,
        x: right + (index ? 12 : 0),
        y: top(nodes.length) + index * pitch,
        width: box - (index ? 12 : 0),
      };
    if (!index) return { ...node, x: Math.floor((width - box) / 2), y: (height - BOX.height) / 2, width: box };
    return { ...node, x: right, y: top(others) + (index - 1) * pitch, width: box };
  });
  const said = voters.map((sentinel, index) => ({
    ...sentinelBox(master, sentinel),
    x: 0,
    y: top(voters.length) + index * pitch,
    width: box,
  }));
  return { width, height, narrow, nodes: placed, sentinels: said, links: linksOf(master, placed, said, narrow) };
}

/** The master first, then its replicas, then the former master and the chosen replica of a failover. */
function nodesOf(master) {
  const { failover } = master;
  const rows = master.replicas.map((row) => ({
    id: address(row),
    at: row,
    kind: "replica",
    level: row.down_by.length ? "down" : row.link_up === false ? "suspected" : "ok",
    words: row.down_by.length
      ? "replica, not answering"
      : row.link_up === false
        ? "replica, link down"
        : `replica, ${lagWords(lag(row, master.replicas))}`,
    linked: row.link_up !== false && !row.down_by.length,
    chosen: Boolean(failover?.new) && sameAddress(failover.new, row) && failover.outcome === "in-progress",
  }));
  for (const row of rows) if (row.chosen) row.words = "replica, chosen to take over";
  const former = failover?.old;
  if (
    former &&
    master.address &&
    !sameAddress(former, master.address) &&
    !rows.some((row) => sameAddress(row.at, former))
  )
    rows.push({
      id: address(former),
      at: former,
      kind: "former",
      level: "unknown",
      words: "the old master",
      linked: false,
    });
  const health = healthOf(master);
  const failing = master.failover?.outcome === "in-progress" && master.down_by.length;
  const level = failing ? "down" : promoted(master) ? "ok" : health;
  const words = master.address ? `master, epoch ${master.epoch ?? "unknown"}` : "no master is known";
  return [{ id: address(master.address), at: master.address, kind: "master", level, words, linked: false }, ...rows];
}

function sentinelBox(master, sentinel) {
  const opinion = master.opinions.find((one) => one.sentinel === sentinel.sentinel);
  const live = sentinel.state === "live";
  const leads = master.failover?.leader === sentinel.sentinel;
  let [level, words] = ["ok", "agrees"];
  if (!live) [level, words] = ["unknown", linkWords(sentinel)];
  else if (!opinion) [level, words] = ["unknown", "has no opinion"];
  else if (leads) [level, words] = ["failing-over", "leads the failover"];
  else if (lags(master, opinion)) [level, words] = ["failing-over", "has the old address"];
  else if (!opinion.agrees) [level, words] = ["suspected", "disagrees"];
  else if (suspects(master, sentinel.sentinel)) [level, words] = ["suspected", "reports it down"];
  if (inTilt(sentinel)) [level, words] = ["suspected", "in TILT"];
  return { id: sentinel.sentinel, kind: "sentinel", level, words: `Sentinel, ${words}`, live, opinion, leads };
}

function linksOf(believed, nodes, sentinels, narrow) {
  const links = [];
  const [master, ...others] = nodes;
  for (const node of others) {
    // What was reported about a replica's link before its master failed no longer counts.
    const kind = node.kind === "former" || master.level === "down" ? "gone" : node.linked ? "follows" : "cut";
    const from = narrow
      ? [master.x + 5, master.y + BOX.height]
      : [master.x + master.width, master.y + BOX.height / 2];
    const to = [node.x, node.y + BOX.height / 2];
    const path = narrow ? `M${from} V${to[1]} H${to[0]}` : curve(from, to);
    links.push({ id: `replication ${node.id}`, kind, path });
  }
  for (const sentinel of sentinels) {
    const meant = nodes.find((node) => sentinel.opinion && sameAddress(node.at, sentinel.opinion));
    if (!meant) continue;
    const differs = lags(believed, sentinel.opinion) ? "lags" : "disagrees";
    const kind = !sentinel.live ? "silent" : sentinel.opinion.agrees ? "agrees" : differs;
    const from = [sentinel.x + sentinel.width, sentinel.y + BOX.height / 2];
    const behind = !narrow && meant.kind !== "master";
    links.push({
      id: `opinion ${sentinel.id}`,
      kind,
      path: behind ? around(from, master, meant) : curve(from, [meant.x, meant.y + BOX.height / 2]),
    });
  }
  return links;
}

/** From a Sentinel to a box behind the master's: above it or below it, whichever is nearer. */
function around([x1, y1], master, { x, y }) {
  const over = y1 < master.y + BOX.height / 2;
  const [high, end] = over ? [master.y - 18, y] : [master.y + BOX.height + 18, y + BOX.height];
  const half = master.x + master.width / 2;
  return `M${x1} ${y1} C${x1 + 90} ${y1} ${half - 150} ${high} ${half} ${high} S${x - 60} ${end} ${x + 20} ${end}`;
}

function curve([x1, y1], [x2, y2]) {
  const half = (x1 + x2) / 2;
  return `M${x1} ${y1} C${half} ${y1} ${half} ${y2} ${x2} ${y2}`;
}

export function drawTopology(layout, title) {
  const { width, height } = layout;
  return s(
    "svg",
    { class: "topology", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    layout.links.map((link) => s("path", { key: link.id, class: `link link-${link.kind}`, d: link.path })),
    [...layout.nodes, ...layout.sentinels].map((node) => drawBox(node, layout.narrow)),
  );
}

function drawBox(node, narrow) {
  const perLetter = narrow ? 6.8 : 7.9;
  const letters = Math.floor((node.width - 18) / perLetter);
  const said = narrow ? node.words.replace(/^(replica|Sentinel), /, "") : node.words;
  const words = middle(said, Math.floor((node.width - 36) / (narrow ? 5.6 : 6.4)));
  const mark = icon(node.level);
  mark.setAttribute("x", 9);
  mark.setAttribute("y", 32);
  return s(
    "g",
    {
      key: `${node.kind === "sentinel" ? "s" : "n"} ${node.id}`,
      class: `box box-${node.kind} level-${node.level}${node.chosen ? " chosen" : ""}${node.leads ? " leads" : ""}`,
      move: [node.x, node.y],
    },
    s("title", {}, `${shown(node.id)}: ${node.words}`),
    s("rect", { width: node.width, height: BOX.height, rx: node.kind === "sentinel" ? BOX.height / 2 : 8 }),
    s(
      "text",
      { class: "box-name", x: node.kind === "sentinel" ? 20 : 10, y: 24 },
      middle(shown(node.id), letters - (node.kind === "sentinel" ? 2 : 0)),
    ),
    s("g", { class: "box-mark" }, mark),
    s("text", { class: "box-words", x: 30, y: 44 }, words),
  );
}
