// The five screens. Exactly one is visible; changing it moves the focus to its heading and says so aloud once.

import { Countdown } from "./countdown.js";

const TOKEN_LIFE = 30;

export class Screens {
  #page;
  #texts;
  #app;
  #shown = "loading";
  #ring = new Countdown();
  #wait = new Countdown();

  constructor(page, texts, app) {
    this.#page = page;
    this.#texts = texts;
    this.#app = app ?? "";
    page.documentElement.lang = texts.language;
    page.title = texts.ui("title");
    for (const element of page.querySelectorAll("[data-text]")) element.textContent = texts.ui(element.dataset.text);
    for (const element of page.querySelectorAll("[data-alt]")) element.alt = texts.ui(element.dataset.alt);
  }

  on({ cancel, password }) {
    for (const button of this.#page.querySelectorAll("[data-action=cancel]")) button.addEventListener("click", cancel);
    this.#get("password-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(password);
    });
  }

  loading() {
    this.#show("loading");
  }

  qr(status) {
    this.#show("qr");
    const picture = this.#get("qr-picture");
    const source = status.qr_base64 ? `data:image/png;base64,${status.qr_base64}` : null;
    picture.parentElement.classList.toggle("waiting", !source);
    if (source && picture.src !== source) {
      picture.src = source;
      this.#turnRing(status.qr_expires_at - status.server_time);
    }
    this.#noteUnderQr(status);
  }

  password(status) {
    const isNew = this.#show("password");
    const hint = this.#get("password-hint");
    hint.textContent = status.hint ? this.#texts.ui("password_hint", { hint: status.hint }) : "";
    if (isNew) this.#readyForPassword("");
    if (status.retry_after) this.passwordMustWait(status.retry_after);
  }

  passwordWrong({ attempts_left: left }) {
    this.#readyForPassword(this.#texts.ui("password_wrong", { attempts: this.#texts.attempts(left) }));
  }

  passwordMustWait(seconds) {
    this.#readyForPassword(this.#texts.fault({ code: "flood_wait" }, seconds));
    this.#get("password-send").disabled = true;
    const say = (left) => this.#fault(this.#texts.fault({ code: "flood_wait" }, left));
    this.#wait.start(seconds, say, () => this.#readyForPassword(""));
  }

  passwordFailed(problem) {
    this.#readyForPassword(this.#texts.fault(problem, problem.retryAfter));
  }

  done(account) {
    this.#show("done");
    const name = account ? "done_account" : "done_linked";
    this.#get("done-account").textContent = this.#texts.ui(name, { account, app: this.#app });
  }

  // One sentence and one button; with a known wait it counts down and then tries by itself.
  error(problem, again) {
    this.#show("error");
    const sentence = this.#get("error-sentence");
    const button = this.#get("error-again");
    button.disabled = problem.code === "flood_wait";
    button.onclick = again;
    const say = (left) => (sentence.textContent = this.#texts.fault(problem, left));
    if (problem.retryAfter) this.#wait.start(problem.retryAfter, say, again);
    else say();
    this.#announce(sentence.textContent);
  }

  reconnecting() {
    this.#announce(this.#texts.ui("reconnecting"));
    this.#get("qr-note").textContent = this.#texts.ui("reconnecting");
  }

  reconnected() {
    this.#announce(this.#get(`${this.#shown}-title`).textContent);
  }

  #show(name) {
    if (name === this.#shown) return false;
    this.#wait.stop();
    this.#ring.stop();
    this.#shown = name;
    for (const section of this.#page.querySelectorAll("section")) section.hidden = section.id !== name;
    this.#get("honesty").hidden = name === "done";
    const heading = this.#get(`${name}-title`);
    heading.focus({ preventScroll: true });
    this.#announce(heading.textContent);
    return true;
  }

  #announce(sentence) {
    this.#get("status").textContent = sentence;
  }

  #turnRing(left) {
    const ring = this.#get("qr-left");
    const draw = (seconds) => ring.style.setProperty("stroke-dashoffset", 100 * (1 - seconds / Math.max(TOKEN_LIFE, left)));
    this.#ring.start(left, draw, () => draw(0));
  }

  #noteUnderQr(status) {
    const note = this.#get("qr-note");
    this.#wait.stop();
    if (status.qr_base64) {
      note.textContent = this.#texts.ui("qr_renews");
    } else if (status.reason === "flood_wait" && status.retry_after) {
      const say = (left) => (note.textContent = this.#texts.ui("qr_flood_wait", { seconds: this.#texts.wait(left) }));
      this.#wait.start(status.retry_after, say);
    } else {
      note.textContent = this.#texts.ui("qr_fetching");
    }
  }

  #submit(send) {
    const field = this.#get("password-field");
    const password = field.value;
    if (!password) {
      this.#readyForPassword(this.#texts.ui("password_missing"));
      return;
    }
    field.value = "";
    this.#fault("");
    const button = this.#get("password-send");
    button.disabled = true;
    button.textContent = this.#texts.ui("password_checking");
    send(password);
  }

  #readyForPassword(fault) {
    const button = this.#get("password-send");
    this.#wait.stop();
    button.disabled = false;
    button.textContent = this.#texts.ui("password_send");
    this.#fault(fault);
    if (fault) this.#announce(fault);
    this.#get("password-field").focus();
  }

  #fault(sentence) {
    this.#get("password-fault").textContent = sentence;
    this.#get("password-field").setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  #get(id) {
    return this.#page.getElementById(id);
  }
}
