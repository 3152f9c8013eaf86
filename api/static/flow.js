// Follows one login. The server knows where it stands; this asks, shows, and asks again when that has changed.

import { Problem } from "./api.js";
import { forgetTicket, keepTicket, keptTicket } from "./launch.js";

const SHORTEST_ROUND = 1000;
const LONGEST_PAUSE = 15_000;
const ASK_AGAIN = new Set(["out_of_turn", "ticket_superseded", "login_ended", "ticket_unknown", "no_answer"]);

const pause = (length) => new Promise((resolve) => setTimeout(resolve, length));

export class Flow {
  #api;
  #screens;
  #ticket = null;
  #poll = new AbortController();

  constructor(api, screens) {
    this.#api = api;
    this.#screens = screens;
    screens.on({ cancel: () => this.#cancel(), password: (password) => this.#password(password) });
    // A page in the background may lose its connection without a word, so it looks anew when it comes back.
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookAgain());
  }

  async begin() {
    this.#screens.loading();
    try {
      this.#ticket = (await this.#liveTicket()) ?? (await this.#newTicket());
      await this.#follow();
    } catch (problem) {
      this.#end(problem);
    }
  }

  // After a reload the login is where it was, even if it waits for a password.
  async #liveTicket() {
    const ticket = keptTicket();
    if (!ticket) return null;
    try {
      const status = await this.#api.status(ticket);
      return status.step.type === "failed" ? null : ticket;
    } catch (problem) {
      if (problem.code === "ticket_unknown") return null;
      throw problem;
    }
  }

  async #newTicket() {
    const login = await this.#api.start();
    keepTicket(login.ticket);
    return login.ticket;
  }

  async #follow() {
    let since;
    let failures = 0;
    for (;;) {
      const begun = performance.now();
      const before = since;
      try {
        const status = await this.#look(since);
        if (failures) this.#screens.reconnected();
        failures = 0;
        since = status.sequence;
        if (this.#render(status)) return;
        if (since === before && performance.now() - begun < SHORTEST_ROUND) await pause(SHORTEST_ROUND);
      } catch (problem) {
        if (problem.code !== "network" && !problem.retryAfter) throw problem;
        since = undefined;
        if (this.#poll.signal.aborted) continue; // we hung up ourselves, to look again at once
        failures += 1;
        this.#screens.reconnecting();
        await pause(Math.min(SHORTEST_ROUND * 2 ** (failures - 1), LONGEST_PAUSE));
      }
    }
  }

  #look(since) {
    this.#poll = new AbortController();
    return this.#api.status(this.#ticket, since, this.#poll.signal);
  }

  #lookAgain() {
    this.#poll.abort();
  }

  // Whether it is over.
  #render(status) {
    switch (`${status.step.type} ${status.step.kind ?? ""}`.trim()) {
      case "display_and_wait qr":
        this.#screens.qr(status);
        return false;
      case "user_input password":
        this.#screens.password(status);
        return false;
      case "complete":
        forgetTicket();
        this.#screens.done(status.telegram_user_id);
        return true;
      case "failed":
        throw new Problem({ code: "login_ended", reason: status.reason });
      default:
        throw new Problem({ code: "out_of_turn" });
    }
  }

  #end(problem) {
    if (problem.code === "already_authorized") {
      this.#screens.done(problem.body.telegram_user_id);
      return;
    }
    if (problem.code === "login_ended" || problem.code === "ticket_unknown") forgetTicket();
    this.#screens.error(problem, () => this.begin());
  }

  async #password(password) {
    try {
      await this.#api.password(this.#ticket, password);
      this.#lookAgain();
    } catch (problem) {
      if (problem.code === "password_invalid") this.#screens.passwordWrong(problem.body);
      else if (problem.code === "flood_wait") this.#screens.passwordMustWait(problem.retryAfter);
      else this.#screens.passwordFailed(problem);
      if (ASK_AGAIN.has(problem.code)) this.#lookAgain();
    }
  }

  async #cancel() {
    try {
      await this.#api.cancel(this.#ticket);
    } catch {
      // whatever was in the way, the next look tells what became of the login
    }
    this.#lookAgain();
  }
}
