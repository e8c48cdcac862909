// The stream of lines: server-sent events by fetch, because an EventSource can't send a token.
//
// `EventParser` is pure. `Stream` follows the daemon's stream while it is started: it reconnects with the last id,
// after a longer delay with each failure, and drops a connection on which not even a comment has come for `SILENCE`.

import { ApiError, problemOf } from "./api.js";

const FIRST = 1_000; // ms until the first retry, unless the daemon says otherwise
const MOST = 30_000; // ms until any later one, at most
export const SILENCE = 40_000; // ms; the daemon sends a comment every 15 s
const LONGEST = 4_000_000; // characters of one event

/** Cuts a text that arrives in pieces into events. */
export class EventParser {
  #rest = "";
  #data = [];
  #type = "";
  id = null; // the last id received
  retry = null; // ms

  /** Take a piece, and return the events that it completes: {type, data, id}. */
  push(piece) {
    const events = [];
    this.#rest += piece;
    if (this.#rest.length > LONGEST) throw new ApiError(0, "the stream sent an event without an end");
    // A CR at the very end may be half of a CRLF.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== "") {
        this.#field(line);
        continue;
      }
      if (this.#data.length) events.push({ type: this.#type || "message", data: this.#data.join("\n"), id: this.id });
      this.#data = [];
      this.#type = "";
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

export class Stream {
  #api;
  #last = null;
  #stop = null;
  #failures = 0;
  state = "stopped"; // connecting, open, waiting
  reason = ""; // why it waits
  retryAt = 0; // ms since 1970

  /** `told` gets each event, `opened` is called with each connection, `changed` when state or reason changes. */
  constructor(api, { told, opened, changed }) {
    this.#api = api;
    this.told = told;
    this.opened = opened;
    this.changed = changed;
  }

  /** Start to follow; with `anew` from now on, else after the last line that was received. */
  start(anew = false) {
    if (anew) this.#last = null;
    if (this.#stop) return;
    const stop = (this.#stop = new AbortController());
    void this.#run(stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#set("stopped");
  }

  async #run(ended) {
    while (!ended.aborted) {
      this.#set("connecting", this.reason);
      let wait = FIRST;
      try {
        wait = await this.#follow(ended);
        this.reason = "the daemon ended the stream";
      } catch (error) {
        this.reason = error instanceof ApiError ? error.message : "the daemon can't be reached";
        if (error.retry) wait = error.retry * 1000;
      }
      if (ended.aborted) return;
      wait = Math.min(MOST, wait * 2 ** this.#failures) * (0.75 + Math.random() / 2);
      this.#failures = Math.min(this.#failures + 1, 6);
      this.retryAt = Date.now() + wait;
      this.#set("waiting", this.reason);
      await pause(wait, ended);
    }
  }

  async #follow(ended) {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE);
    try {
      const headers = this.#api.headers(this.#last === null ? {} : { "Last-Event-ID": this.#last });
      const signal = AbortSignal.any([ended, silent.signal]);
      const answer = await fetch("api/v1/stream", { headers, signal, cache: "no-store" });
      if (!answer.ok) throw await problemOf(answer);
      const parser = new EventParser();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return parser.retry ?? FIRST;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE);
        const events = parser.push(value);
        if (parser.id !== null) this.#last = parser.id;
        if (this.state !== "open") {
          this.#failures = 0;
          this.#set("open");
          this.opened();
        }
        for (const event of events) this.told(event);
      }
    } catch (error) {
      if (silent.signal.aborted) throw new ApiError(0, `the stream was silent for ${SILENCE / 1000} s`);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #set(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.changed();
  }
}

function pause(ms, ended) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    ended.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        done();
      },
      { once: true },
    );
  });
}
