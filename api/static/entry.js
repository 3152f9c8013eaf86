// One field, one button and one fault: how the page asks for a number, a code or a password.

import { Countdown } from "./countdown.js";

export class Entry {
  #page;
  #name;
  #texts;
  #sentences;
  #announce;
  #wait = new Countdown();

  constructor(page, name, texts, sentences, announce) {
    this.#page = page;
    this.#name = name;
    this.#texts = texts;
    this.#sentences = sentences;
    this.#announce = announce;
  }

  // `read` makes of what was typed what is sent, or nothing if there is nothing to send.
  on(send, read = (text) => text) {
    this.#part("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const value = read(this.#part("field").value);
      if (value) this.#send(value, send);
      else this.ready(this.#sentences.missing);
    });
  }

  clear() {
    this.#part("field").value = "";
    this.ready();
  }

  ready(fault = "") {
    this.stop();
    const button = this.#part("send");
    button.disabled = false;
    button.textContent = this.#sentences.send;
    this.#fault(fault);
    if (fault) this.#announce(fault);
    this.#part("field").focus();
  }

  mustWait(seconds) {
    const sentence = (left) => this.#texts.fault({ code: "flood_wait" }, left);
    this.ready(sentence(seconds));
    this.#part("send").disabled = true;
    this.#wait.start(seconds, (left) => this.#fault(sentence(left)), () => this.ready());
  }

  stop() {
    this.#wait.stop();
  }

  #send(value, send) {
    this.#fault("");
    const button = this.#part("send");
    button.disabled = true;
    button.textContent = this.#sentences.checking;
    send(value);
  }

  #fault(sentence) {
    this.#part("fault").textContent = sentence;
    this.#part("field").setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  #part(part) {
    return this.#page.getElementById(`${this.#name}-${part}`);
  }
}
