// Elements without markup in strings: what the service says is only ever text.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

// Draws anew only what has changed, so that neither focus nor selection is lost every few seconds.
export class Drawn {
  #place;
  #draw;
  #shown;

  constructor(place, draw) {
    this.#place = place;
    this.#draw = draw;
  }

  show(value) {
    const text = JSON.stringify(value);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#place.replaceChildren(...[this.#draw(value)].flat());
  }
}

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

export function span(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? UNITS.at(-1);
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}

export const moment = (epoch) => new Date(epoch * 1000).toLocaleString();

export function chip(text, kind = text) {
  return el("span", { className: `chip ${String(kind).toLowerCase()}` }, text);
}
