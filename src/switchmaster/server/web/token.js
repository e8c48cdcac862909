// Asks for the token if the daemon requires one; it is kept as long as the tab, and sent only to this daemon.

import { h } from "./dom.js";
import { shown } from "./text.js";

export class TokenDialog {
  #api;
  #waiting = [];

  constructor(api) {
    this.#api = api;
    this.why = h("p", {});
    this.input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false" });
    this.forget = h("button", { type: "button" }, "Forget token");
    const cancel = h("button", { type: "button" }, "Cancel");
    const form = h(
      "form",
      {},
      h("h2", { id: "token-title" }, "Token"),
      this.why,
      h("label", { class: "field" }, h("span", {}, "Token"), this.input),
      h(
        "p",
        { class: "faint" },
        "The token from http.token_file or http.read_token_file. It is kept in this tab until the tab is closed.",
      ),
      h("div", { class: "buttons" }, h("button", { type: "submit" }, "Use token"), this.forget, cancel),
    );
    this.dialog = h("dialog", { "aria-labelledby": "token-title" }, form);
    document.body.append(this.dialog);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.input.value.trim();
      if (token) this.#end(token);
    });
    this.forget.addEventListener("click", () => this.#end(""));
    cancel.addEventListener("click", () => this.#end(null));
    this.dialog.addEventListener("cancel", () => this.#end(null));
  }

  /** Ask, and say why; true if the token has changed. */
  ask(why) {
    this.why.textContent = shown(why);
    this.forget.hidden = !this.#api.token;
    if (!this.dialog.open) {
      this.input.value = "";
      this.dialog.showModal();
      this.input.focus();
    }
    return new Promise((done) => this.#waiting.push(done));
  }

  /** Close it if it is open: the action that needed it is gone. */
  cancel() {
    if (this.dialog.open) this.#end(null);
  }

  #end(token) {
    if (token !== null) this.#api.token = token;
    this.input.value = "";
    this.dialog.close();
    for (const done of this.#waiting.splice(0)) done(token !== null);
  }
}
