// The screens. Exactly one is visible; changing it moves the focus to its heading and says so aloud once.

import { Countdown } from "./countdown.js";
import { Entry } from "./entry.js";

const TOKEN_LIFE = 30;
const DELIVERIES = { app: "code_sent_app", sms: "code_sent_sms", call: "code_sent_call" };
const WORDS = /^sms(word|phrase)$/;

export class Screens {
  #page;
  #texts;
  #app;
  #shown = "loading";
  #ring = new Countdown();
  #wait = new Countdown();
  #entries;
  #delivery;

  constructor(page, texts, app) {
    this.#page = page;
    this.#texts = texts;
    this.#app = app ?? "";
    page.documentElement.lang = texts.language;
    page.title = texts.ui("title");
    for (const element of page.querySelectorAll("[data-text]")) element.textContent = texts.ui(element.dataset.text);
    for (const element of page.querySelectorAll("[data-alt]")) element.alt = texts.ui(element.dataset.alt);
    const sentences = {
      phone: { send: texts.ui("phone_send"), checking: texts.ui("phone_checking"), missing: texts.ui("phone_missing") },
      code: { send: texts.ui("code_send"), checking: texts.ui("code_checking"), missing: texts.ui("code_missing") },
      password: { send: texts.ui("password_send"), checking: texts.ui("password_checking"), missing: texts.ui("password_missing") },
    };
    const entry = (name) => new Entry(page, name, texts, sentences[name], (sentence) => this.#announce(sentence));
    this.#entries = { phone: entry("phone"), code: entry("code"), password: entry("password") };
  }

  on({ cancel, useQr, usePhone, phone, code, resend, password }) {
    const actions = { cancel, "use-qr": useQr, "use-phone": usePhone, resend };
    for (const [name, act] of Object.entries(actions)) {
      for (const button of this.#page.querySelectorAll(`[data-action=${name}]`)) button.addEventListener("click", act);
    }
    this.#entries.phone.on(phone, e164);
    this.#entries.code.on(code, (text) => (WORDS.test(this.#delivery) ? text.trim() : text.replace(/\D/g, "")));
    this.#entries.password.on((text) => {
      this.#get("password-field").value = "";
      password(text);
    });
  }

  loading() {
    this.#show("loading");
  }

  qr({ step, server_time: now }) {
    this.#show("qr");
    const picture = this.#get("qr-picture");
    const source = step.qr.png_base64 ? `data:image/png;base64,${step.qr.png_base64}` : null;
    picture.parentElement.classList.toggle("waiting", !source);
    if (source && picture.src !== source) {
      picture.src = source;
      this.#turnRing(step.qr.expires_at - now);
    }
    this.#noteUnderQr(step);
  }

  phone() {
    this.#show("phone");
    this.#entries.phone.ready();
  }

  phoneFailed(problem) {
    if (problem.code === "invalid_request") this.#entries.phone.ready(this.#texts.ui("phone_missing"));
    else this.failed("phone", problem);
  }

  code({ step, server_time: now }) {
    if (this.#show("code")) this.#entries.code.clear();
    this.#delivery = step.code.delivery;
    this.#get("code-sent").textContent = this.#texts.ui(DELIVERIES[step.code.delivery] ?? "code_sent_otherwise");
    this.#offerResend(step.code, now);
    if (step.error) this.stepFailed("code", step);
  }

  password({ step }) {
    const { hint } = step.password;
    this.#get("password-hint").textContent = hint ? this.#texts.ui("password_hint", { hint }) : "";
    if (this.#show("password")) this.#entries.password.clear();
    if (step.error) this.stepFailed("password", step);
  }

  // What was typed was wrong, or met trouble; the login keeps its place.
  stepFailed(screen, { error, code, password }) {
    const entry = this.#entries[screen];
    if (error.code === "code_invalid") {
      entry.ready(this.#texts.ui("code_wrong", { attempts: this.#texts.attempts(code.attempts_left) }));
    } else if (error.code === "password_invalid") {
      entry.ready(this.#texts.ui("password_wrong", { attempts: this.#texts.attempts(password.attempts_left) }));
    } else if (error.code === "flood_wait") {
      entry.mustWait(error.retry_after);
    } else if (error.code === "upstream_unavailable") {
      entry.ready(this.#texts.ui("no_verdict"));
    } else {
      entry.ready(this.#texts.ui("code_resend_refused"));
    }
  }

  failed(screen, problem) {
    this.#entries[screen].ready(this.#texts.fault(problem, problem.retryAfter));
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
    for (const entry of Object.values(this.#entries)) entry.stop();
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

  #noteUnderQr({ qr, error }) {
    const note = this.#get("qr-note");
    this.#wait.stop();
    if (qr.png_base64) {
      note.textContent = this.#texts.ui("qr_renews");
    } else if (error?.code === "flood_wait" && error.retry_after) {
      const say = (left) => (note.textContent = this.#texts.ui("qr_flood_wait", { seconds: this.#texts.wait(left) }));
      this.#wait.start(error.retry_after, say);
    } else {
      note.textContent = this.#texts.ui("qr_fetching");
    }
  }

  #offerResend({ next_delivery: next, resend_at: at }, now) {
    const button = this.#get("code-resend");
    const offer = () => {
      button.disabled = false;
      button.textContent = this.#texts.ui("code_resend");
    };
    const wait = (left) => {
      button.disabled = true;
      button.textContent = this.#texts.ui("code_resend_wait", { seconds: this.#texts.wait(left) });
    };
    this.#wait.stop();
    button.hidden = !next;
    if (at) this.#wait.start(at - now, wait, offer);
    else offer();
  }

  #get(id) {
    return this.#page.getElementById(id);
  }
}

// '+' and the digits of what was typed; nothing if that is no number. A 00 in front means '+'.
function e164(text) {
  const number = text.replace(/[\s().-]/g, "").replace(/^00/, "+");
  return /^\+[0-9]{7,15}$/.test(number) ? number : "";
}
