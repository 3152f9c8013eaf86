// The page's sentences in the reader's language, plurals included.

const LANGUAGES = ["en", "ru"];

export async function loadTexts(preferred) {
  const wanted = [preferred, ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  const language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
  const response = await fetch(`/static/texts/${language}.json`);
  return new Texts(language, await response.json());
}

export class Texts {
  #sentences;
  #rules;

  constructor(language, sentences) {
    this.language = language;
    this.#sentences = sentences;
    this.#rules = new Intl.PluralRules(language);
  }

  ui(name, values = {}) {
    return filled(this.#sentences.ui[name], values);
  }

  // What a problem or the end of a login means: the reason says more than the code.
  fault({ code, reason }, seconds) {
    const { problems, reasons } = this.#sentences;
    const sentence = reasons[reason] ?? problems[code] ?? problems.internal_error;
    return filled(sentence, { seconds: this.wait(seconds) });
  }

  attempts(count) {
    return this.#plural("attempts", count);
  }

  wait(seconds) {
    const whole = Math.max(1, Math.ceil(seconds ?? 1));
    return whole < 120 ? this.#plural("seconds", whole) : this.#plural("minutes", Math.ceil(whole / 60));
  }

  #plural(name, count) {
    const forms = this.#sentences.plurals[name];
    return filled(forms[this.#rules.select(count)] ?? forms.other, { n: count });
  }
}

function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
