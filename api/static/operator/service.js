// The service's routes as an operator asks them. A "no" of any kind is thrown as a Problem.

const PATIENCE = 30_000;
const PAGE = 200;

export class Problem extends Error {
  constructor({ code, detail }) {
    super(detail);
    this.code = code;
  }
}

export class Service {
  #key;
  #known = new Map();

  constructor(key) {
    this.#key = key;
  }

  tree = () => this.#read("/api/v1/tree");
  sessions = (cursor) => this.#read(`/api/v1/sessions?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  session = (name) => this.#read(`/api/v1/sessions/${name}`);
  history = (name) => this.#read(`/api/v1/sessions/${name}/events?limit=20`);
  command = async (name, command) => (await this.#ask(`/api/v1/sessions/${name}/${command}`, { method: "POST" })).json();

  // What has not changed since is not sent again.
  async #read(path) {
    const known = this.#known.get(path);
    const response = await this.#ask(path, { headers: known ? { "If-None-Match": known.etag } : {} });
    if (response.status === 304) return known.body;
    const body = await response.json();
    const etag = response.headers.get("ETag");
    if (etag) this.#known.set(path, { etag, body });
    return body;
  }

  async #ask(path, options) {
    let response;
    try {
      const headers = { Authorization: `Bearer ${this.#key}`, ...options.headers };
      response = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      throw new Problem({ code: "network", detail: "The service does not answer." });
    }
    if (response.ok || response.status === 304) return response;
    throw new Problem(await response.json().catch(() => ({ code: "network", detail: `Answer ${response.status}.` })));
  }
}
