// Light or dark: the system's choice until the reader makes one, which localStorage keeps.
// The inline script at the head of each page applies it before the first paint.
export type Theme = "light" | "dark";

export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function setTheme(next: Theme): void {
  document.documentElement.dataset["theme"] = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Storage may be refused (private mode): the choice then lasts as long as the page.
  }
}
