// Requests to the daemon: JSON, with the token if there is one, each with a time limit.

const LIMIT = 15_000; // ms
const STORED = "switchmaster.token";
const BYTE = /^[\udc80-\udcff]$/;

export class ApiError extends Error {
  constructor(status, detail, retry = null) {
    super(detail);
    this.status = status; // 0 if there was no answer
    this.retry = retry; // seconds
  }

  get wantsToken() {
    return this.status === 401;
  }
}

export class Api {
  #base;

  /** `base` is the prefix of all requested paths. */
  constructor(base = "api/v1/") {
    this.#base = base;
  }

  /** Kept as long as the tab is open. */
  get token() {
    return sessionStorage.getItem(STORED);
  }

  set token(value) {
    if (value) sessionStorage.setItem(STORED, value);
    else sessionStorage.removeItem(STORED);
  }

  headers(more = {}) {
    return this.token ? { ...more, Authorization: `Bearer ${this.token}` } : more;
  }

  /**
   * Request JSON.
   *
   * Returns {body, etag}, or null if `etag` shows that nothing has changed.
   */
  async get(path, etag = null) {
    const answer = await this.#send(path, { headers: this.headers(etag ? { "If-None-Match": etag } : {}) });
    if (answer.status === 304) return null;
    return { body: await answered(() => answer.json()), etag: answer.headers.get("ETag") };
  }

  /** Save an answer as a file. */
  async save(path, name) {
    const answer = await this.#send(path, { headers: this.headers() });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answered(() => answer.blob()));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async post(path, body) {
    const headers = this.headers({ "Content-Type": "application/json" });
    const answer = await this.#send(path, { method: "POST", headers, body: JSON.stringify(body) });
    return answered(() => answer.json());
  }

  async #send(path, options) {
    // no-store: we send the ETag ourselves, and the browser's cache keeps nothing of a deployment.
    const limit = AbortSignal.timeout(LIMIT);
    const answer = await answered(() => fetch(this.#base + path, { ...options, signal: limit, cache: "no-store" }));
    if (!answer.ok && answer.status !== 304) throw await problemOf(answer);
    return answer;
  }
}

/** Wait for a step of an answer; the browser's errors become an ApiError. */
async function answered(step) {
  try {
    return await step();
  } catch (error) {
    const slow = error.name === "TimeoutError";
    throw new ApiError(
      0,
      slow ? `the daemon did not answer within ${LIMIT / 1000} s` : "the daemon can't be reached",
    );
  }
}

/** The error in an answer, in the daemon's words. */
export async function problemOf(answer) {
  const retry = Number(answer.headers.get("Retry-After"));
  let detail = `the daemon answered ${answer.status}`;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // A proxy in between answers in its own words, not in JSON.
  }
  return new ApiError(answer.status, String(detail), Number.isFinite(retry) && retry > 0 ? retry : null);
}

/** A path with its parameters; those that are null are left out. */
export function path(base, parameters = {}) {
  const query = [];
  for (const [name, value] of Object.entries(parameters))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== null && one !== undefined) query.push(`${name}=${encode(String(one))}`);
  return query.length ? `${base}?${query.join("&")}` : base;
}

/** A text for a query: a byte that was not UTF-8, a lone surrogate in JSON, becomes that byte again. */
function encode(text) {
  const one = (c) =>
    BYTE.test(c) ? `%${(c.charCodeAt(0) - 0xdc00).toString(16)}` : encodeURIComponent(c.toWellFormed());
  return [...text].map(one).join("");
}
