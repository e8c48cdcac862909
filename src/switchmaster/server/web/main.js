// The dashboard: one page, drawn from the daemon's API and updated by its stream.
//
// In order: `routes` (addresses), `api` and `stream` (requests and events), `live` (what is known, and how old it is),
// `text` and `words` (wording), `dom` and `parts` (elements), `drawing/` (pictures), `feed`, `guard`, `planned`,
// `proxy`, `doctor`, `views/`.

import { Api } from "./api.js";
import { h, update } from "./dom.js";
import { Live } from "./live.js";
import { empty } from "./parts.js";
import { parse } from "./routes.js";
import { shown } from "./text.js";
import { TokenDialog } from "./token.js";
import { makeOverview } from "./views/overview.js";

const LOOK = 10_000; // ms between two checks whether a token is still required
const VIEWS = { overview: makeOverview };
// The other views come when they are shown, or `LATER` ms after the first one: it is drawn sooner without them.
const COMING = {
  master: async () => (await import("./views/master.js")).makeMaster,
  history: async () => (await import("./views/history.js")).makeHistory,
  failover: async () => (await import("./views/failover.js")).makeFailover,
  doctor: async () => (await import("./views/doctor.js")).makeDoctor,
  actions: async () => (await import("./views/actions.js")).makeActions,
};
const LATER = 1_000;
const AGAIN = 2_000; // ms between two attempts to load a view
const TICK = 1_000; // ms between two drawings if nothing has changed: ages advance
const FRAME = 100; // ms between two drawings of what moves by itself

const main = document.getElementById("main");
const freshness = document.getElementById("freshness");
const trouble = document.getElementById("trouble");
const about = document.getElementById("about");
const tokenButton = document.getElementById("token-button");
const api = new Api();
const live = new Live(api);
const dialog = new TokenDialog(api);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let view = null;
let hash = null;
let drawn = 0;
let frame = 0;

/** Show the view that the address means. */
function show() {
  dialog.cancel(); // it belonged to the previous page
  const route = parse(location.hash);
  const moved = hash !== null;
  hash = location.hash;
  const coming = !VIEWS[route.page] && Object.hasOwn(COMING, route.page);
  open(VIEWS[route.page] ?? (coming ? makeComing : makeNowhere), route);
  if (moved) {
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  if (coming) void arrive(route, hash);
}

/** Load the view of a route, and show it if the reader is still there. */
async function arrive(route, from) {
  while (hash === from) {
    try {
      await load(route.page);
      if (hash === from) open(VIEWS[route.page], route);
      return;
    } catch {
      update(main.firstChild, empty("This page can't be loaded: the daemon can't be reached."));
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }
}

async function load(page) {
  VIEWS[page] ??= await COMING[page]();
}

function open(make, route) {
  view = make({ ...route, live, api, act, go, soon, place: replaceHash });
  for (const link of document.querySelectorAll("nav a"))
    if (link.dataset.page === route.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  main.replaceChildren(h("div", { class: `page page-${route.page}` }, view.element));
  live.show(view.needs);
  draw();
}

function go(to) {
  location.hash = to;
}

/** Put a place into the address without going there: the view shows it already. */
function replaceHash(to) {
  history.replaceState(null, "", to);
  hash = to;
}

function makeNowhere() {
  return {
    title: "Nowhere",
    element: [
      h("h1", {}, "Page not found"),
      empty("There is no page at this address. ", h("a", { href: "#/" }, "All masters")),
    ],
    needs: [],
    render() {},
    told() {},
  };
}

function makeComing() {
  return { title: "Loading", element: empty("Loading the page."), needs: [], render() {}, told() {} };
}

function draw() {
  drawn = Date.now();
  view.render();
  const title = `${typeof view.title === "function" ? view.title() : view.title} – switchmaster`;
  if (document.title !== title) document.title = title;
}

/** Draw once, soon, however many reasons there are. */
function soon() {
  if (!frame)
    frame = requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
}

/** Run a step that needs the token for writing; ask for it if it is missing, return null if it is not given. */
async function act(step) {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (error.status !== 401 && !(error.status === 403 && live.get("status").value?.access.act === "token"))
        throw error;
      if (!(await dialog.ask(error.message))) return null;
    }
  }
}

async function askForToken(why) {
  if (await dialog.ask(why)) live.admitted();
}

let refused = null; // why a token was required when its dialog was cancelled; only the button asks again

function drawFreshness() {
  const { kind, text } = live.freshness();
  if (freshness.dataset.kind !== kind) freshness.dataset.kind = kind;
  document.documentElement.dataset.picture = kind;
  const words = freshness.querySelector(".words");
  if (words.textContent !== text) words.textContent = text;
  const sentence = shown(live.trouble());
  trouble.hidden = !sentence;
  if (trouble.textContent !== sentence) trouble.textContent = sentence;
  drawAbout();
}

function drawAbout() {
  const status = live.get("status").value;
  const open = status?.access.read === "open" && status.access.act === "nobody";
  tokenButton.hidden = open && !api.token;
  const does = api.token ? "Change or forget the token" : "Enter a token";
  if (tokenButton.textContent !== does) tokenButton.textContent = does;
  if (!status) return;
  const { journal } = status;
  const kept = !journal.kept
    ? "This daemon keeps no journal."
    : journal.available
      ? ""
      : `The journal is unavailable: ${shown(journal.reason ?? "no reason was given")}.`;
  update(about, `switchmaster ${shown(status.version)}. ${kept}`);
}

live.start({
  changed() {
    if (live.wantsToken && live.wantsToken !== refused && !dialog.dialog.open) {
      refused = live.wantsToken;
      void askForToken(live.wantsToken);
    }
    if (!live.wantsToken) refused = null;
    drawFreshness();
    soon();
  },
  told(line, entry) {
    view.told(line, entry);
    soon();
  },
  opened() {
    view.opened?.();
    soon();
  },
  reset: show,
  freshened: drawFreshness,
});

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#/") || location.hash === "") show();
});
document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && view.focus) {
    event.preventDefault();
    view.focus.focus();
  }
});
tokenButton.addEventListener(
  "click",
  () => void askForToken("Some daemons require a token for reading, and all require one for writing."),
);
new ResizeObserver(() => view?.resized?.()).observe(main);
setInterval(async () => {
  // The daemon may have been restarted without a token, or with the one that we have.
  if (live.wantsToken && (await live.isAdmitted())) {
    dialog.cancel();
    live.admitted();
  }
}, LOOK);
setInterval(() => {
  const moving = view?.moving?.() && !calm.matches;
  if (!document.hidden && Date.now() - drawn >= (moving ? FRAME : TICK)) draw();
}, FRAME);
show();
setTimeout(() => {
  // One that fails now is loaded when it is shown.
  for (const page of Object.keys(COMING)) load(page).catch(() => {});
}, LATER);
