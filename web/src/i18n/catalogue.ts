// Typed message catalogues: a missing key, a missing parameter or a missing translation is a type error.
// A page keeps its own: `export const t = catalogue({ hello: "Hello" }, { hello: "你好" })`, then t("hello").
// A message with parameters is a function: `left: (p: { n: number }) => plural(p.n, { one: …, other: … })`.
import { lang, locale, type Lang } from "./lang.js";

// `never` as parameter: any function type fits, and each key keeps its own.
export type Message = string | ((params: never) => string);
export type Messages = Readonly<Record<string, Message>>;

/** The shape a translation must have: the same keys, each with the same parameters. */
export type Mirror<E extends Messages> = {
  readonly [K in keyof E]: E[K] extends (params: infer P) => string ? (params: P) => string : string;
};

type Params<M> = M extends (params: infer P) => string ? [params: P] : [];

export type Translate<E extends Messages> = <K extends keyof E>(key: K, ...params: Params<E[K]>) => string;

export function catalogue<const E extends Messages>(en: E, zh: Mirror<E>): Translate<E> {
  const texts: Record<Lang, Mirror<E>> = { en: en as unknown as Mirror<E>, zh };
  return (key, ...params) => {
    const message = texts[lang()][key] as string | ((params: unknown) => string);
    return typeof message === "string" ? message : message(params[0]);
  };
}

const rules = new Map<string, Intl.PluralRules>();

/** Picks the plural form of the current language; `#` in it becomes the number by locale. */
export function plural(n: number, forms: { zero?: string; one?: string; other: string }): string {
  const tag = locale();
  let rule = rules.get(tag);
  if (!rule) rules.set(tag, (rule = new Intl.PluralRules(tag)));
  const kind = rule.select(n);
  const form = n === 0 && forms.zero !== undefined ? forms.zero : kind === "one" ? (forms.one ?? forms.other) : forms.other;
  return form.replace("#", number(n));
}

const numbers = new Map<string, Intl.NumberFormat>();

/** A number by the current locale, 1,234. */
export function number(n: number): string {
  const tag = locale();
  let format = numbers.get(tag);
  if (!format) numbers.set(tag, (format = new Intl.NumberFormat(tag)));
  return format.format(n);
}

/** A short number for tight places: 1.2K, 1.2万. */
export function compact(n: number): string {
  if (n < 10_000) return number(n);
  return new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 }).format(n);
}
