// What the page knows, and how old it is.
//
// A view names the resources that it shows; they are polled every `POLL`, and soon after the stream reported something,
// with their ETags. Lines of the stream go to the view as they come. Without the stream the page continues by polling;
// without answers it says how old its picture is. Nothing old is shown as live.
//
// A hidden tab polls nothing and gives up its connection (a browser has six for each host); it continues where it was
// when it is visible again.

import { ApiError } from "./api.js";
import { duration } from "./text.js";
import { Stream } from "./stream.js";

const POLL = 2_000; // ms between two polls of a resource
const KEPT_POLL = 15_000; // the same for resources of the journal
const TELLING = new Set(["failover", "action"]); // lines that change resources of the journal
const SOON = 60; // ms from a line of the stream to the poll that it triggers
const GAP = 200; // least ms between two polls of a resource, and
const BUSY = 4; // times the duration of the last one
export const OLD = 8_000; // ms after which the page counts as old
const HIDDEN = 5_000; // ms hidden until the stream is closed
const FORGET = 60_000; // ms hidden after which everything is loaded again

class Resource {
  value = null;
  etag = null;
  at = 0; // ms since 1970: the last answer, a 304 included
  asked = 0;
  soon = 0; // ms since 1970: poll by then
  took = 0; // ms
  under = false;
  error = null;

  constructor(path) {
    // Resources of the journal change only when the stream says so.
    this.kept = /^(failovers|events|switches|observers|actions|reactions|receipts|pauses)/.test(path);
    this.poll = this.kept ? KEPT_POLL : POLL;
  }

  get due() {
    const rested = this.asked + Math.max(GAP, BUSY * this.took);
    return Math.max(rested, Math.min(this.asked + this.poll, this.soon));
  }
}

export class Live {
  #api;
  #resources = new Map();
  #visible = true;
  #hidden = 0; // the timer that runs while the page is hidden
  #since = 0; // ms since 1970: when it was hidden
  #timer = 0;
  #listener = null;
  #skew = 0; // ms that the daemon's clock is ahead of ours
  wantsToken = null; // why the daemon requires one, if it does

  constructor(api) {
    this.#api = api;
    this.stream = new Stream(api, {
      told: (event) => this.#told(event),
      opened: () => {
        this.refresh();
        this.#listener.opened();
      },
      changed: () => this.#listener?.freshened(),
    });
  }

  /** Begin; `listener` has changed(), told(line, entry), opened(), reset() and freshened(). */
  start(listener) {
    this.#listener = listener;
    this.stream.start();
    this.show(["status"]);
    setInterval(() => this.#check(), 1_000);
    document.addEventListener("visibilitychange", () => this.#seen(!document.hidden));
  }

  /** Show these resources from now on: paths below api/v1. */
  show(paths) {
    const wanted = new Set(["status", ...paths]);
    for (const path of this.#resources.keys()) if (!wanted.has(path)) this.#resources.delete(path);
    for (const path of wanted) if (!this.#resources.has(path)) this.#resources.set(path, new Resource(path));
    this.#check();
  }

  /** The last answer: {value, at, error}; value is null before the first one. */
  get(path) {
    return this.#resources.get(path) ?? new Resource(path);
  }

  /** Set the answer of another request, such as a POST. */
  put(path, value) {
    const resource = this.#resources.get(path);
    if (resource) Object.assign(resource, { value, etag: null, at: Date.now(), error: null });
    this.#listener.changed();
  }

  /** Request everything now; with `anew` also the stream, from its end. */
  refresh(anew = false) {
    if (anew) {
      for (const resource of this.#resources.values()) resource.etag = null;
      this.stream.stop();
      this.stream.start(true);
    }
    for (const resource of this.#resources.values()) resource.soon = 0;
    this.#check();
  }

  /** Seconds since 1970 by the daemon's clock. */
  now() {
    return (Date.now() + this.#skew) / 1000;
  }

  /** ms since the oldest answer about the belief; null before the first. The stream keeps journal data fresh. */
  age() {
    const believed = [...this.#resources.values()].filter((r) => r.value !== null && !r.kept);
    const times = believed.map((r) => r.at);
    return times.length ? Date.now() - Math.min(...times) : null;
  }

  /** How fresh the picture is: {kind, text}; kind is live, polling, old, starting or token. */
  freshness() {
    const age = this.age();
    if (this.wantsToken) return { kind: "token", text: "A token is needed" };
    if (age === null) return { kind: "starting", text: this.#error()?.message ?? "Loading" };
    if (age > OLD) return { kind: "old", text: `Not live: ${duration(Math.floor(age / 1000))} old` };
    if (this.stream.state === "open") return { kind: "live", text: "Live" };
    return { kind: "polling", text: "Without stream" };
  }

  /**
   * The problems of the connection, in sentences; empty if there are none.
   *
   * Without running numbers: a screen reader reads it again whenever it changes.
   */
  trouble() {
    const { kind } = this.freshness();
    const error = this.#error();
    const again = `Retrying every ${POLL / 1000} s.`;
    if (kind === "token") return `Updates have stopped: ${this.wantsToken}. Enter a token with the button at the end.`;
    if (kind === "old") return `This is the last known state: ${error?.message ?? "no answer yet"}. ${again}`;
    if (kind === "starting" && error) return `Nothing is known yet: ${error.message}. ${again}`;
    if (kind !== "polling" || !this.stream.reason) return "";
    const meanwhile = `The belief is polled every ${POLL / 1000} s; events appear when the stream is back.`;
    return `The stream is down: ${this.stream.reason}. ${meanwhile}`;
  }

  #error() {
    const believed = [...this.#resources.values()].filter((resource) => !resource.kept);
    return believed.map((resource) => resource.error).find((error) => error && error.status !== 404) ?? null;
  }

  #told({ type, data, id }) {
    const line = JSON.parse(data);
    const entry = Number(id);
    if (type === "reset") {
      this.refresh(true);
      this.#listener.reset();
      return;
    }
    this.#listener.told(line, entry);
    for (const resource of this.#resources.values())
      if (!resource.kept || TELLING.has(line.type)) resource.soon = Math.min(resource.soon, Date.now() + SOON);
    this.#arm();
  }

  #check() {
    this.#listener?.freshened();
    if (!this.#visible || this.wantsToken) return;
    for (const [path, resource] of this.#resources)
      if (!resource.under && resource.due <= Date.now()) void this.#ask(path, resource);
    this.#arm();
  }

  #arm() {
    clearTimeout(this.#timer);
    const waiting = [...this.#resources.values()].filter((r) => !r.under).map((r) => r.due);
    if (waiting.length)
      this.#timer = setTimeout(() => this.#check(), Math.max(20, Math.min(...waiting) - Date.now()));
  }

  async #ask(path, resource) {
    const began = Date.now();
    Object.assign(resource, { asked: began, soon: Infinity, under: true });
    try {
      const answer = await this.#api.get(path, resource.etag);
      Object.assign(resource, { at: Date.now(), error: null, took: Date.now() - began });
      if (answer) Object.assign(resource, { value: answer.body, etag: answer.etag });
      if (answer && path === "status") this.#skew = Date.parse(answer.body.time) - (began + Date.now()) / 2;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      resource.error = error;
      // It is gone: that is an answer too, so the previous value is dropped.
      if (error.status === 404) Object.assign(resource, { value: null, etag: null, at: Date.now() });
      if (error.wantsToken) {
        this.wantsToken = error.message;
        this.stream.stop();
      }
    } finally {
      resource.under = false;
      this.#listener.changed();
      this.#arm();
    }
  }

  /** Ask once whether the daemon allows reading now. */
  async isAdmitted() {
    try {
      await this.#api.get("status");
      return true;
    } catch {
      return false;
    }
  }

  /** The token has changed. */
  admitted() {
    this.wantsToken = null;
    this.refresh(true);
  }

  #seen(visible) {
    clearTimeout(this.#hidden);
    if (!visible) {
      this.#hidden = setTimeout(() => {
        this.#visible = false;
        this.#since = Date.now();
        this.stream.stop();
      }, HIDDEN);
    } else if (!this.#visible) {
      this.#visible = true;
      const long = Date.now() - this.#since > FORGET;
      if (long) this.#listener.reset();
      this.stream.start(long);
      this.refresh();
    }
  }
}
