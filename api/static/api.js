// The service's routes. A "no" of any kind is thrown as a Problem, so callers look in one place.

import { keepToken } from "./launch.js";

const WAIT = 25;
const PATIENCE = 40_000;

export class Problem extends Error {
  constructor(body) {
    super(body.code);
    Object.assign(this, { code: body.code, reason: body.reason, retryAfter: body.retry_after, body });
  }
}

export class Api {
  #launch;

  constructor(launch) {
    this.#launch = launch;
  }

  // In a Mini App the page comes with what Telegram signed, which begins something for five minutes only.
  async open() {
    const { token, initData } = this.#launch;
    if (!initData || token) return;
    keepToken(this.#launch, await this.#post("/api/v1/session", {}, { Authorization: `tma ${initData}` }));
  }

  start(flow, fields = {}) {
    const session = { tenant_id: this.#launch.tenant ?? "", app_id: this.#launch.app ?? "" };
    return this.#post(`/api/v1/login/start/${flow}`, { ...session, ...fields });
  }

  // Without `since` it answers at once, else when something newer is known. The ticket stays out of the URL.
  read(ticket, since, signal) {
    const query = since === undefined ? "" : `?wait=${WAIT}&since=${since}`;
    return this.#call(`/api/v1/login/current${query}`, { headers: { "X-Ticket": ticket } }, signal);
  }

  // One transaction: if the answer got lost, asking again under the same id submits nothing twice.
  async step(ticket, input) {
    const body = { txn_id: randomId(), ...input };
    const send = () => this.#post("/api/v1/login/current/step", body, { "X-Ticket": ticket });
    try {
      return await send();
    } catch (problem) {
      if (problem.code !== "network") throw problem;
      return await send();
    }
  }

  cancel(ticket) {
    return this.#call("/api/v1/login/current", { method: "DELETE", headers: { "X-Ticket": ticket } });
  }

  #post(path, body, headers = {}) {
    return this.#call(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  async #call(path, options, signal) {
    const { token } = this.#launch;
    if (!token && !options.headers?.Authorization) throw new Problem({ code: "unauthenticated" });
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    signal?.addEventListener("abort", () => stop.abort());
    try {
      const headers = { Authorization: `Bearer ${token}`, ...options.headers };
      const response = await fetch(path, { ...options, headers, signal: stop.signal, cache: "no-store" });
      const body = await response.json();
      if (!response.ok) throw new Problem(body);
      return body;
    } catch (error) {
      throw error instanceof Problem ? error : new Problem({ code: "network" });
    } finally {
      clearTimeout(timer);
    }
  }
}

const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
