/** Light or dark: as the system has it, or as it was chosen here. */
import { Store } from "./store";

export type Theme = "auto" | "light" | "dark";
const KEPT_AS = "theme";
const THEMES: readonly string[] = ["auto", "light", "dark"];

export const theme = new Store<Theme>("auto");
const system = matchMedia("(prefers-color-scheme: dark)");

function show(): void {
  const dark = theme.value === "dark" || (theme.value === "auto" && system.matches);
  document.documentElement.classList.toggle("wa-dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
}

export function startTheme(): void {
  const kept = localStorage.getItem(KEPT_AS) ?? "auto";
  theme.set(THEMES.includes(kept) ? (kept as Theme) : "auto");
  theme.follow(show);
  system.addEventListener("change", show);
  show();
}

export function setTheme(wanted: Theme): void {
  localStorage.setItem(KEPT_AS, wanted);
  theme.set(wanted);
}
