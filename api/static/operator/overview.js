// How the whole is: states, nodes, the parts of the process that answered, and what is in trouble.

import { byId, chip, Drawn, el, span } from "./dom.js";

export class Overview {
  #states = new Drawn(byId("states"), states);
  #nodes = new Drawn(byId("nodes"), nodes);
  #parts = new Drawn(byId("parts"), parts);
  #troubles = new Drawn(byId("troubles"), troubles);

  show(tree) {
    const nodes = tree.node.nodes.map((node) => seen(node, tree.node));
    const sessions = nodes.reduce((sum, node) => sum + node.sessions, 0);
    this.#states.show({ totals: tree.totals, sessions, nodes: nodes.length });
    this.#nodes.show({ here: tree.node.id, nodes });
    this.#parts.show(tree.children.map(({ name, stage }) => ({ name, stage })));
    this.#troubles.show(inTrouble(tree));
    byId("up").textContent = span(Math.max(...tree.children.map((child) => child.up ?? 0)));
  }
}

// A node renews every few seconds: only a longer silence says anything.
const QUIET = 10;

// The node that answers knows how many sessions it has now; of the others it knows what they last told.
function seen(node, here) {
  const sessions = node.id === here.id ? here.sessions : node.sessions;
  return { ...node, sessions, silent_for: node.silent_for > QUIET ? Math.floor(node.silent_for) : 0 };
}

function states({ totals, sessions, nodes: count }) {
  const here = Object.entries(totals).sort(([, a], [, b]) => b - a);
  return [
    el("p", { className: "figure" }, String(sessions)),
    el("p", { className: "quiet" }, count === 1 ? "run on one node" : `run on ${count} nodes, of these on the one that answers:`),
    el("p", { className: "chips" }, ...here.map(([state, count]) => chip(`${count} ${state}`, state))),
  ];
}

function nodes({ here, nodes: all }) {
  return all.map((node) =>
    el(
      "div",
      { className: "node" },
      el("strong", {}, node.id, node.id === here ? el("small", {}, " answers") : null),
      el("meter", { min: 0, max: node.capacity, value: node.sessions, title: `${node.sessions} of ${node.capacity}` }),
      el("span", { className: "quiet" }, `${node.sessions} of ${node.capacity}`),
      node.draining ? chip("draining", "stale") : null,
      node.silent_for ? chip(`silent for ${node.silent_for} s`, "revoked") : null,
    ),
  );
}

function parts(children) {
  return el("p", { className: "chips" }, ...children.map(({ name, stage }) => chip(name, stage)));
}

function inTrouble({ breakers, brake, connects_waiting: waiting }) {
  const found = [];
  for (const [name, breaker] of Object.entries(breakers)) {
    for (const { of, state } of breaker.each ?? []) found.push(`${name} of ${of}: ${state}`);
    if (!breaker.each && breaker.state !== "closed") found.push(`${name}: ${breaker.state}`);
  }
  if (brake.on) found.push("too many sessions crash: restarts are braked");
  if (waiting) found.push(`${waiting} wait for their turn to connect`);
  return found;
}

function troubles(found) {
  if (!found.length) return el("p", { className: "quiet" }, "None: every breaker is closed.");
  return el("ul", {}, ...found.map((trouble) => el("li", {}, chip(trouble, "stale"))));
}
