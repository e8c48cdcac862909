// Moving one master on purpose: the checks first, then the order with its name typed once more, then how it goes.

import { path } from "./api.js";
import { h, update } from "./dom.js";
import { choices, empty, facts, field, place, state, time } from "./parts.js";
import { address, duration, shown } from "./text.js";

const STORED = "switchmaster.by";
const ENDINGS = {
  done: ["ok", "Done: every node says so"],
  "not-needed": ["ok", "Not needed"],
  refused: ["suspected", "Refused: nothing was begun"],
  aborted: ["down", "Given up by Sentinel"],
  rogue: ["down", "Two masters: a node was promoted that the Sentinels do not follow"],
  elsewhere: ["suspected", "Another replica became the master"],
  unverified: ["down", "The master moved, and a node is not as it should be"],
  "timed-out": ["down", "No new master in time"],
  stopped: ["down", "Stopped"],
  interrupted: ["suspected", "No longer followed; Sentinel goes on"],
};
const RESULTS = { passed: "ok", warning: "suspected", refused: "down" };

/** The section's content; it is made once, so that nothing typed is lost. */
export function makePlanned({ live, api, act, source, deployment, called }) {
  const target = path(`masters/${encodeURIComponent(called.toWellFormed())}/planned-failover`, { deployment });
  const to = h("div", {});
  const all = h("input", { type: "checkbox", id: "wait-replicas" });
  const by = h("input", { id: "planned-by", maxlength: 200, autocomplete: "name" });
  by.value = localStorage.getItem(STORED) ?? "";
  const confirm = h("input", { id: "planned-confirm", autocomplete: "off", spellcheck: "false" });
  const check = h("button", { type: "button" }, "Check");
  const move = h("button", { type: "submit" }, "Move the master");
  const problem = h("p", { role: "alert", class: "problem" });
  const plan = h("div", { "aria-live": "polite" });
  const told = h("div", { "aria-live": "polite" });
  const form = h(
    "form",
    { class: "say" },
    to,
    h("label", { class: "field check" }, all, h("span", {}, "Wait until all replicas are in sync")),
    labelled("Your name", by),
    labelled("Type the master's name to move it", confirm),
    h("div", { class: "buttons" }, check, move),
    problem,
  );
  const nobody = empty("Moving a master is disabled: the daemon has no token for it (http.token_file).");
  const content = h("div", {}, form);
  const element = h("div", { class: "planned" }, told, content, plan);

  const wanted = () => ({
    to: to.querySelector("select")?.value || null,
    by: by.value,
    wait_replicas: all.checked,
  });

  async function send(body) {
    problem.textContent = "";
    check.disabled = move.disabled = true;
    try {
      return await act(() => api.post(target, body));
    } catch (error) {
      problem.textContent = shown(error.message);
      return null;
    } finally {
      check.disabled = move.disabled = false;
    }
  }

  check.addEventListener("click", async () => {
    const found = await send({ ...wanted(), dry_run: true });
    if (found) update(plan, planParts(found.plan));
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (confirm.value !== called) {
      problem.textContent = "Type the master's name first: that is the confirmation.";
      confirm.focus();
      return;
    }
    localStorage.setItem(STORED, by.value);
    const found = await send({ ...wanted(), confirm: confirm.value });
    if (!found) return;
    confirm.value = "";
    update(plan);
    live.put(source, { items: [found], next: null });
  });

  return {
    element,
    render(master) {
      const line = live.get(source).value?.items[0] ?? null;
      const replicas = (master?.replicas ?? []).map((row) => [address(row), shown(address(row))]);
      const chosen = to.querySelector("select")?.value ?? "";
      update(to, choices("Replica", "planned-to", [["", "the one that Sentinel would choose"], ...replicas], chosen));
      const access = live.get("status").value?.access;
      update(content, access?.act === "nobody" ? nobody : line?.running ? empty("It is under way.") : form);
      update(told, line ? statusParts(line) : null);
    },
  };
}

function labelled(label, input) {
  const made = field(label, {});
  made.lastChild.replaceWith(input);
  return made;
}

function planParts(plan) {
  return [
    h(
      "p",
      {},
      plan.possible ? state("ok", "Nothing speaks against it") : state("down", "It would be refused"),
      ": ",
      place(plan.old),
      " → ",
      plan.candidate ? place(plan.candidate) : "no replica",
    ),
    h(
      "ul",
      { class: "lines", "aria-label": "What was checked" },
      plan.checks.map((one) =>
        h(
          "li",
          { key: one.id, class: "line" },
          state(RESULTS[one.result], one.result),
          h("span", { class: "what" }, shown(one.text)),
        ),
      ),
    ),
    plan.possible
      ? h(
          "ol",
          { "aria-label": "What would happen" },
          plan.steps.map((step) => h("li", { key: step }, shown(step))),
        )
      : null,
  ];
}

function statusParts(line) {
  const ended = line.conclusion;
  const [level, words] = ended ? ENDINGS[ended.ending] : line.running ? ["suspected", "Under way"] : ["down", "Ended"];
  return [
    h("p", {}, state(level, words), line.by ? [" for ", shown(line.by)] : null, ", begun ", time(line.began)),
    line.error ? h("p", { class: "problem" }, shown(line.error)) : null,
    line.said.length
      ? h(
          "ol",
          { "aria-label": "What was done" },
          line.said.map((sentence, index) => h("li", { key: index }, shown(sentence))),
        )
      : null,
    ended ? conclusionParts(ended) : null,
  ];
}

function conclusionParts(ended) {
  const after = (seconds) => (seconds === null ? null : duration(seconds));
  return [
    ended.ending === "done" ? null : h("p", {}, shown(ended.reason)),
    facts([
      ["Moved", ended.new ? h("span", {}, place(ended.old), " → ", place(ended.new)) : null],
      ["New master known after", after(ended.promoted_after)],
      ["First announced after", after(ended.announced_after)],
      ["Verified after", after(ended.verified_after)],
      ["What to do next", ended.advice ? shown(ended.advice) : null],
    ]),
  ];
}
