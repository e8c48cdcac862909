// The proxy of one master: where its HAProxy leads, since when, and what HAProxy's own checks say.

import { h } from "./dom.js";
import { facts, name, place, state, time } from "./parts.js";
import { duration, shown } from "./text.js";

/** The section's content; `line` is the API's. */
export function proxyParts(line) {
  const { haproxy } = line;
  return [
    h("p", {}, standing(line)),
    facts([
      ["Clients find it at", place(line.writes)],
      ["Its replicas at", line.reads ? place(line.reads) : null],
      ["Leads to", line.address ? place(line.address) : "nowhere now"],
      ["Since", line.since ? time(line.since) : null],
      ["Connections", line.connections === null ? "not known yet" : String(line.connections)],
      ["Reading", line.reads && line.reading !== null ? String(line.reading) : null],
      ["Moves", line.moves ? `${line.moves}, the last within ${duration(line.last_move_seconds)}` : "none yet"],
      ["HAProxy", haproxy.pid === null ? "does not run" : `${shown(haproxy.version)}, process ${haproxy.pid}`],
    ]),
    line.checks.length
      ? h(
          "p",
          {},
          "Its own checks, by which it goes without this daemon: ",
          line.checks.map((one, at) => [
            at ? ", " : "",
            name(`${one.host.includes(":") ? `[${one.host}]` : one.host}:${one.port}`),
            one.master ? " says that it is a master" : " does not",
          ]),
          ".",
        )
      : null,
  ];
}

function standing(line) {
  if (line.haproxy.trouble) return state("down", shown(line.haproxy.trouble));
  if (line.state === "holding") return state("suspected", "New connections wait");
  if (line.state === "unknown") return state("unknown", "The master is not known");
  return line.in_sync ? state("ok", "Serves") : state("suspected", "HAProxy is being put right");
}
