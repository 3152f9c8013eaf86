// Puts the operators' page together: who looks, and a fresh look every few seconds while somebody does.

import { byId } from "./dom.js";
import { List } from "./list.js";
import { Overview } from "./overview.js";
import { Panel } from "./panel.js";
import { Problem, Service } from "./service.js";

const EVERY = 3_000;
const KEY = "usm.operator";
const REFUSED = new Set(["unauthenticated", "forbidden", "session_expired"]);

class Page {
  #service;
  #overview = new Overview();
  #panel;
  #list;
  #pages = 1;

  constructor(key) {
    this.#service = new Service(key);
    this.#panel = new Panel(this.#service);
    this.#list = new List((name, session) => this.#panel.open(name, session));
    byId("more").addEventListener("click", () => {
      this.#pages += 1;
      this.#look();
    });
  }

  // Raises Problem if this key is good for nothing here. `name` is of the session to open, if any.
  async begin(name) {
    await this.#service.tree().then((tree) => this.#overview.show(tree));
    byId("sign-in").hidden = true;
    byId("page").hidden = false;
    await this.#look();
    if (name) await this.#panel.find(name);
    setInterval(() => document.hidden || this.#look(), EVERY);
    setInterval(() => this.#list.tick(), 1_000);
  }

  async #look() {
    try {
      this.#overview.show(await this.#service.tree());
      const { sessions, cursor } = await this.#sessions();
      this.#list.show(sessions, cursor !== null);
      this.#panel.update(sessions);
      alive("", true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === "unauthenticated") return leave();
      alive(problem.message, false);
    }
  }

  async #sessions() {
    const sessions = [];
    let cursor = null;
    for (let page = 0; page < this.#pages; page += 1) {
      const answer = await this.#service.sessions(cursor);
      sessions.push(...answer.sessions);
      cursor = answer.next_cursor;
      if (cursor === null) break;
    }
    return { sessions, cursor };
  }
}

function alive(text, isWell) {
  const place = byId("alive");
  place.textContent = text || "live";
  place.className = isWell ? "live" : "fault";
}

function leave() {
  attempt(() => sessionStorage.removeItem(KEY));
  location.reload();
}

async function enter({ key, session }) {
  byId("key-fault").textContent = "";
  byId("enter").disabled = true;
  try {
    await new Page(key).begin(session);
    attempt(() => sessionStorage.setItem(KEY, key));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    attempt(() => sessionStorage.removeItem(KEY));
    byId("key-fault").textContent = REFUSED.has(problem.code)
      ? "This key does not open the operators' page. It takes the service key, or an API key of the roles admin or operator."
      : problem.message;
    byId("key").focus();
  } finally {
    byId("enter").disabled = false;
  }
}

// The key leaves the address bar at once, no server ever sees it, and it dies with the tab.
function given() {
  const { key, session } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (location.hash) history.replaceState(null, "", location.pathname);
  return { key: key ?? attempt(() => sessionStorage.getItem(KEY)), session };
}

function attempt(access) {
  try {
    return access();
  } catch {
    return null; // a browser may forbid storage: then a reload asks for the key again
  }
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  enter({ key: byId("key").value.trim(), session: opened.session });
});
byId("leave").addEventListener("click", leave);
const opened = given();
if (opened.key) enter(opened);
