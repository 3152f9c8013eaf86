// Follows one login. The server knows where it stands; this asks, shows, and asks again when that has changed.

import { Problem } from "./api.js";
import { forgetTicket, keepTicket, keptTicket } from "./launch.js";

const SHORTEST_ROUND = 1000;
const LONGEST_PAUSE = 15_000;
const ASK_AGAIN = new Set(["out_of_turn", "ticket_superseded", "ticket_unknown", "no_answer", "txn_in_work"]);

const pause = (length) => new Promise((resolve) => setTimeout(resolve, length));

export class Flow {
  #api;
  #screens;
  #byPhone;
  #ticket = null;
  #turn = 0;
  #poll = new AbortController();

  constructor(api, screens, byPhone) {
    this.#api = api;
    this.#screens = screens;
    this.#byPhone = byPhone;
    screens.on({
      cancel: () => this.#cancel(),
      useQr: () => this.#startQr(),
      usePhone: () => this.#askPhone(),
      phone: (phone) => this.#startCode(phone),
      code: (code) => this.#handIn("code", { type: "code", code }),
      resend: () => this.#handIn("code", { type: "action", action: "resend" }),
      password: (password) => this.#handIn("password", { type: "password", password }),
    });
    // A page in the background may lose its connection without a word, so it looks anew when it comes back.
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookAgain());
  }

  begin() {
    this.#screens.loading();
    return this.#run(async (turn) => {
      await this.#api.open();
      this.#ticket = await this.#liveTicket();
      if (this.#ticket) await this.#follow(turn);
      else if (turn === this.#turn) this.#again();
    });
  }

  #again() {
    if (this.#byPhone) this.#askPhone();
    else this.#startQr();
  }

  #startQr() {
    this.#byPhone = false;
    this.#screens.loading();
    return this.#run(async (turn) => {
      this.#take(await this.#api.start("qr"));
      await this.#follow(turn);
    });
  }

  #askPhone() {
    this.#byPhone = true;
    return this.#run(async () => this.#screens.phone());
  }

  #startCode(phone) {
    return this.#run(async (turn) => {
      try {
        this.#take(await this.#api.start("code", { phone }));
      } catch (problem) {
        if (problem.code === "already_authorized") throw problem;
        this.#screens.phoneFailed(problem);
        return;
      }
      await this.#follow(turn);
    });
  }

  // One thing at a time: what is begun later takes over from what was begun before.
  async #run(work) {
    const turn = (this.#turn += 1);
    this.#poll.abort();
    try {
      await work(turn);
    } catch (problem) {
      if (turn === this.#turn) this.#end(problem);
    }
  }

  #take({ login }) {
    this.#ticket = login.ticket;
    keepTicket(login.ticket);
  }

  // After a reload the login is where it was, even if it waits for a code or a password.
  async #liveTicket() {
    const ticket = keptTicket();
    if (!ticket) return null;
    try {
      const { step } = await this.#api.read(ticket);
      return step.type === "failed" ? null : ticket;
    } catch (problem) {
      if (problem.code === "ticket_unknown") return null;
      throw problem;
    }
  }

  async #follow(turn) {
    let since;
    let failures = 0;
    while (turn === this.#turn) {
      const begun = performance.now();
      const before = since;
      try {
        const reply = await this.#look(since);
        if (turn !== this.#turn) return;
        if (failures) this.#screens.reconnected();
        failures = 0;
        since = reply.sequence;
        if (this.#render(reply)) return;
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
    return this.#api.read(this.#ticket, since, this.#poll.signal);
  }

  #lookAgain() {
    this.#poll.abort();
  }

  // Whether it is over.
  #render(reply) {
    const { step } = reply;
    switch (step.step_id) {
      case "qr":
        this.#screens.qr(reply);
        return false;
      case "code":
        this.#byPhone = true;
        this.#screens.code(reply);
        return false;
      case "password":
        this.#screens.password(reply);
        return false;
      case "complete":
        forgetTicket();
        this.#screens.done(step.telegram_user_id);
        return true;
      case "failed":
        throw new Problem({ code: "login_ended", reason: step.reason });
      default:
        this.#screens.loading();
        return false;
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

  async #handIn(screen, input) {
    try {
      const { step } = await this.#api.step(this.#ticket, input);
      if (step.error && step.step_id === screen) this.#screens.stepFailed(screen, step);
      else this.#lookAgain();
    } catch (problem) {
      this.#screens.failed(screen, problem);
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
