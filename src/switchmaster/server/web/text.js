// Values as text: times, durations, addresses, numbers, and text from the network. Pure functions.

// Controls, and characters without width or with a direction.
const SHAPELESS =
  "\\0-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ufff9-\\uffff";
const LONE = "[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]";
const ESCAPED = new RegExp(`[${SHAPELESS}]|${LONE}`, "g");

/** Text from the network, with invisible and direction-changing characters made visible. */
export function shown(text) {
  return String(text).replace(ESCAPED, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Seconds as ms or s, or in two larger units; at most three significant digits. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 0.00995) return `${trimmed(seconds * 1000, 1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(whole, 60, "min", 1, "s");
  if (whole < 86400) return pair(whole, 3600, "h", 60, "min");
  return pair(whole, 86400, "d", 3600, "h");
}

function pair(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

function trimmed(value, digits) {
  return value.toFixed(digits).replace(/\.0+$/, "");
}

/** How long ago, roughly. */
export function ago(seconds) {
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** Seconds since 1970, to the daemon's microsecond; null if there is no time. */
export function seconds(iso) {
  if (!iso) return null;
  const fraction = /\.(\d+)/.exec(iso);
  const whole = Date.parse(iso.replace(/\.\d+/, "")) / 1000;
  return Number.isFinite(whole) ? whole + (fraction ? Number(`0.${fraction[1]}`) : 0) : null;
}

const two = (value) => String(value).padStart(2, "0");

/** The time of day in the viewer's zone, with milliseconds. */
export function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  const milliseconds = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`;
}

/** The viewer's zone at a time, as UTC+1 or UTC-3:30. */
export function zone(at) {
  const minutes = -at.getTimezoneOffset();
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return minutes ? `UTC${minutes < 0 ? "-" : "+"}${hours}${rest ? `:${two(rest)}` : ""}` : "UTC";
}

/** Day and time in the viewer's zone, to the second, with the zone. */
export function day(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  const date = at.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
  return `${date}, ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone(at)}`;
}

/** The same in UTC, as the daemon wrote it. */
export function utc(iso) {
  return `${iso.replace("T", " ").replace("Z", "")} UTC`;
}

export function address(node) {
  if (!node || node.host === undefined) return "nowhere";
  const host = shown(node.host);
  return `${host.includes(":") ? `[${host}]` : host}:${node.port}`;
}

export function sameAddress(a, b) {
  return Boolean(a && b) && a.host === b.host && a.port === b.port;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  for (const [unit, size] of [
    ["kB", 1e3],
    ["MB", 1e6],
    ["GB", 1e9],
  ])
    if (count < size * 1000) return `${trimmed(count / size, 1)} ${unit}`;
  return `${Math.round(count / 1e12)} TB`;
}

export function count(number, word, words = `${word}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? word : words}`;
}

/** A list in a sentence: "a", "a and b", "a, b and c". */
export function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** A text cut to so many characters, with its middle left out. */
export function middle(text, length) {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}
