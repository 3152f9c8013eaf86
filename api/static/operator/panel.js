// One session: how it is, what happened to it, and what can be done with it.

import { byId, chip, el, moment } from "./dom.js";

const COMMANDS = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  validate: "Ask Telegram",
  revoke: "Log out for good",
};

export class Panel {
  #service;
  #dialog = byId("panel");
  #name = null;

  constructor(service) {
    this.#service = service;
    byId("close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => (this.#name = null));
  }

  async open(name, session) {
    this.#name = name;
    byId("panel-name").textContent = name;
    this.#said("");
    byId("commands").replaceChildren(...Object.keys(COMMANDS).map((command) => this.#button(command)));
    this.#show(session);
    byId("history").replaceChildren();
    if (!this.#dialog.open) this.#dialog.showModal();
    await this.#tellHistory();
  }

  // For links to one session.
  async find(name) {
    try {
      await this.open(name, await this.#service.session(name));
    } catch (problem) {
      byId("alive").textContent = problem.message;
    }
  }

  // The list was read again: this may be newer.
  update(sessions) {
    const session = sessions.find(({ tenant_id, app_id }) => `${tenant_id}/${app_id}` === this.#name);
    if (session) this.#show(session);
  }

  #show(session) {
    const facts = [
      ["State", chip(session.state)],
      ["Since", moment(session.state_since)],
      ["Connection", session.substate],
      ["Reason", session.reason],
      ["The person should", session.user_action === "none" ? null : session.user_action.replaceAll("_", " ")],
      ["Should be", session.desired_state],
      ["Next due", session.retry_at === null ? null : moment(session.retry_at)],
      ["Telegram account", session.telegram_user_id],
      ["Version", session.version],
    ].filter(([, value]) => value !== null);
    byId("facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value.nodeType ? value : String(value))]));
  }

  #button(command) {
    const isFinal = command === "revoke";
    const ask = (event) => (isFinal ? this.#sure(event.target) : this.#carryOut(command));
    return el("button", { type: "button", className: isFinal ? "final" : "", on: { click: ask } }, COMMANDS[command]);
  }

  // A login that is gone is gone: the button has to be pressed twice.
  #sure(button) {
    if (button.dataset.sure) return this.#carryOut("revoke");
    button.dataset.sure = "yes";
    button.textContent = `Really? ${this.#name} will need a new login. Press again.`;
  }

  async #carryOut(command) {
    const name = this.#name;
    this.#busy(true);
    this.#said("…");
    try {
      const session = await this.#service.command(name, command);
      if (name !== this.#name) return;
      this.#show(session);
      this.#said("Done.");
      await this.#tellHistory();
    } catch (problem) {
      this.#said(problem.message, true);
    } finally {
      this.#busy(false);
    }
  }

  async #tellHistory() {
    const name = this.#name;
    try {
      const { events } = await this.#service.history(name);
      if (name === this.#name) byId("history").replaceChildren(...events.map(line));
    } catch (problem) {
      this.#said(problem.message, true);
    }
  }

  #busy(isBusy) {
    for (const button of byId("commands").children) button.disabled = isBusy;
  }

  #said(text, isFault = false) {
    const place = byId("said");
    place.textContent = text;
    place.classList.toggle("fault", isFault);
  }
}

function line({ at, message, before, after, reason }) {
  const moved = before === after ? [chip(after)] : [chip(before), " → ", chip(after)];
  return el("li", {}, el("time", {}, moment(at)), el("span", {}, message, reason ? ` (${reason})` : ""), el("span", {}, ...moved));
}
