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
