import { expect, test } from "vitest";
import { choose } from "../src/i18n";
import { en } from "../src/i18n/en";
import { ptBR } from "../src/i18n/pt-BR";

function keys(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [`${path}: ${typeof value}`];
  return Object.entries(value).flatMap(([key, each]) => keys(each, `${path}.${key}`));
}

test("both languages have the same texts", () => {
  expect(keys(ptBR).sort()).toEqual(keys(en).sort());
});

test("no text is empty but that a viewer needs nothing", () => {
  const empty = [en, ptBR].flatMap((each) =>
    Object.entries(JSON.parse(JSON.stringify(each)) as object).flatMap(([name, group]) =>
      Object.entries(group as object)
        .filter(([, text]) => text === "")
        .map(([key]) => `${name}.${key}`),
    ),
  );
  expect(empty).toEqual([]);
});

test("the language is the one chosen here, then the browser's, then English", () => {
  expect(choose("pt-BR", ["en-US"])).toBe("pt-BR");
  expect(choose(null, ["de", "pt-PT", "en"])).toBe("pt-BR");
  expect(choose("xx", ["en-GB", "pt-BR"])).toBe("en");
  expect(choose(null, ["ja"])).toBe("en");
});
