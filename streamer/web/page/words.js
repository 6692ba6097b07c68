// The page's sentences in one language.

export class Words {
  constructor(language, texts) {
    this.language = language;
    this.texts = texts;
  }

  // A sentence, with {names} replaced.
  t(key, values = {}) {
    const text = this.texts[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  }

  label(name) {
    return this.texts.labels[name] || name;
  }

  // What an error of the service says: in English as it says it, else what its kind means, and then that.
  problem(error) {
    const about = this.texts.problems[error.kind];
    if (!about && !error.status) return this.t("unreachable");
    if (!about) return error.message;
    return this.t("problem", { about, detail: error.message });
  }

  // What was said last, in the language of now: { key, values }, or { error }; nothing for null.
  said(last) {
    if (!last) return "";
    return last.error ? `${this.t("error")}: ${this.problem(last.error)}` : this.t(last.key, last.values);
  }

  number(value, digits = 0) {
    return new Intl.NumberFormat(this.language, { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .format(value);
  }
}

export async function load(language) {
  const answer = await fetch(`page/i18n/${language}.json`);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  return new Words(language, await answer.json());
}
