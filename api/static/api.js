// The service's routes. A "no" of any kind is thrown as a Problem, so callers look in one place.

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

  start() {
    return this.#post("/api/qr/start", { tenant_id: this.#launch.tenant ?? "", app_id: this.#launch.app ?? "" });
  }

  // Without `since` it answers at once, else when something newer is known. The ticket stays out of the URL.
  status(ticket, since, signal) {
    const query = since === undefined ? "" : `?wait=${WAIT}&since=${since}`;
    return this.#call(`/api/qr/status${query}`, { headers: { "X-Ticket": ticket } }, signal);
  }

  password(ticket, password) {
    return this.#post("/api/qr/password", { ticket, password });
  }

  cancel(ticket) {
    return this.#post("/api/qr/cancel", { ticket });
  }

  #post(path, body) {
    return this.#call(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async #call(path, options, signal) {
    if (!this.#launch.token) throw new Problem({ code: "unauthenticated" });
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    signal?.addEventListener("abort", () => stop.abort());
    try {
      const headers = { ...options.headers, Authorization: `Bearer ${this.#launch.token}` };
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
