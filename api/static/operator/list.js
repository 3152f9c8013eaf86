// The list of sessions: a row each, drawn anew only when something about it has changed.

import { byId, chip, el, moment, span } from "./dom.js";

export class List {
  #rows = new Map();
  #open;
  #state = "";
  #text = "";

  constructor(open) {
    this.#open = open;
    byId("search").addEventListener("input", (event) => {
      this.#text = event.target.value.trim().toLowerCase();
      this.#sift();
    });
    byId("state").addEventListener("change", (event) => {
      this.#state = event.target.value;
      this.#sift();
    });
  }

  show(sessions, more) {
    const body = byId("rows");
    const before = new Map(this.#rows);
    sessions.forEach((session, index) => {
      const name = `${session.tenant_id}/${session.app_id}`;
      const row = this.#row(name, session);
      before.delete(name);
      if (body.children[index] !== row.element) body.insertBefore(row.element, body.children[index] ?? null);
    });
    for (const [name, { element }] of before) {
      element.remove();
      this.#rows.delete(name);
    }
    byId("more").hidden = !more;
    this.#sift();
  }

  tick() {
    for (const { session, since } of this.#rows.values()) since.textContent = span(Date.now() / 1000 - session.state_since);
  }

  #row(name, session) {
    const text = JSON.stringify(session);
    const known = this.#rows.get(name);
    if (known?.text === text) return known;
    const made = { text, session, ...drawn(name, session, () => this.#open(name, this.#rows.get(name).session)) };
    known?.element.replaceWith(made.element);
    this.#rows.set(name, made);
    return made;
  }

  #sift() {
    let shown = 0;
    for (const [name, { element, session }] of this.#rows) {
      const isWanted = name.toLowerCase().includes(this.#text) && (!this.#state || session.state === this.#state);
      element.hidden = !isWanted;
      shown += isWanted;
    }
    byId("count").textContent = shown === this.#rows.size ? `${shown}` : `${shown} of ${this.#rows.size}`;
    byId("nothing").hidden = shown > 0;
  }
}

function drawn(name, session, open) {
  const since = el("time", { title: moment(session.state_since) }, span(Date.now() / 1000 - session.state_since));
  const element = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("button", { type: "button", className: "link", on: { click: open } }, name)),
    el("td", {}, chip(session.state), session.substate ? el("small", {}, ` ${session.substate}`) : null),
    el("td", {}, since),
    el("td", {}, session.reason ?? "", session.desired_state === "stopped" ? el("small", {}, " stopped") : null),
    el("td", {}, session.user_action === "none" ? "" : session.user_action.replaceAll("_", " ")),
    el("td", {}, session.telegram_user_id === null ? "" : String(session.telegram_user_id)),
  );
  return { element, since };
}
