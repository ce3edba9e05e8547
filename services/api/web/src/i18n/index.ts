/** The language: the browser's, or the one that was chosen here. */
import { Store, useStore } from "../store";
import { en, type Messages } from "./en";
import { ptBR } from "./pt-BR";

export type { Messages };
export type Locale = keyof typeof LANGUAGES;

export const LANGUAGES = {
  en: { name: "English", messages: en },
  "pt-BR": { name: "Português (Brasil)", messages: ptBR },
} as const;
const KEPT_AS = "language";

/** The language of somebody who prefers these, best first. */
export function choose(kept: string | null, preferred: readonly string[]): Locale {
  if (kept && kept in LANGUAGES) return kept as Locale;
  for (const each of preferred) {
    if (each.toLowerCase().startsWith("pt")) return "pt-BR";
    if (each.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export const locale = new Store<Locale>("en");

function show(wanted: Locale): void {
  document.documentElement.lang = wanted;
  locale.set(wanted);
}

export function startLanguage(): void {
  show(choose(localStorage.getItem(KEPT_AS), navigator.languages));
}

export function setLocale(wanted: Locale): void {
  localStorage.setItem(KEPT_AS, wanted);
  show(wanted);
}

export function useLocale(): Locale {
  return useStore(locale);
}

/** The texts in the language that is shown. */
export function useText(): Messages {
  return LANGUAGES[useLocale()].messages;
}
