// Places of the dashboard: the part of the address behind the #, to and from {page, parts, filters}.
//
//     #/                               all masters            #/?state=down&find=cache
//     #/masters/DEPLOYMENT/MASTER      one master
//     #/failovers                      history                #/failovers?master=...
//     #/failovers/ID                   one failover
//     #/actions                        what follows a switch
//     #/doctor                         what the doctor found  #/doctor?deployment=kvdb
//
// A name may contain any bytes, also bytes that are not UTF-8 (lone surrogates), which no URL takes: they are written
// as \uXXXX, and a backslash as two.

const LONE = /\\|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const ID = /^[0-9A-Za-z-]{1,64}$/;

export function encode(name) {
  const plain = name.replace(LONE, (c) => (c === "\\" ? "\\\\" : `\\u${c.charCodeAt(0).toString(16)}`));
  return encodeURIComponent(plain);
}

export function decode(text) {
  const plain = decodeURIComponent(text);
  return plain.replace(/\\(\\|u([0-9a-f]{4}))/g, (_, what, code) =>
    what === "\\" ? "\\" : String.fromCharCode(parseInt(code, 16)),
  );
}

export const toOverview = (filters = {}) => withFilters("#/", filters);
export const toMaster = (deployment, master) => `#/masters/${encode(deployment)}/${encode(master)}`;
export const toHistory = (filters = {}) => withFilters("#/failovers", filters);
export const toDoctor = (filters = {}) => withFilters("#/doctor", filters);
export const toFailover = (id) => `#/failovers/${encode(id)}`;

function withFilters(base, filters) {
  const parts = Object.entries(filters).filter(([, value]) => value);
  return parts.length ? `${base}?${parts.map(([name, value]) => `${name}=${encode(value)}`).join("&")}` : base;
}

/** The page that a hash names; `page` is "nowhere" if it names none. */
export function parse(hash) {
  const [before, query = ""] = hash.replace(/^#/, "").split("?", 2);
  try {
    const parts = before.split("/").slice(1).map(decode);
    const pairs = query
      .split("&")
      .map((pair) => pair.split("=", 2))
      .filter(([, value]) => value);
    const filters = Object.fromEntries(pairs.map(([name, value]) => [name, decode(value)]));
    if (before === "" || before === "/") return { page: "overview", parts: [], filters };
    if (parts[0] === "masters" && parts.length === 3) return { page: "master", parts: parts.slice(1), filters };
    if (parts[0] === "actions" && parts.length === 1) return { page: "actions", parts: [], filters };
    if (parts[0] === "failovers" && parts.length === 1) return { page: "history", parts: [], filters };
    if (parts[0] === "doctor" && parts.length === 1) return { page: "doctor", parts: [], filters };
    if (parts[0] === "failovers" && parts.length === 2 && ID.test(parts[1]))
      return { page: "failover", parts: parts.slice(1), filters };
  } catch {
    // A % without two hexadecimal digits: not one of our links.
  }
  return { page: "nowhere", parts: [], filters: {} };
}
