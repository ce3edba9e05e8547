import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const PAGES = new URL("../src/pages/", import.meta.url);
const GUIDES = ["troubleshooting.md", "solucao-de-problemas.md"].map((name) =>
  readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), "utf-8"),
);

test("every section of the guide that a page leads to is there, in both languages", () => {
  const wanted = readdirSync(PAGES).flatMap((name) => [
    ...readFileSync(new URL(name, PAGES), "utf-8").matchAll(/"\/help#([a-z0-9-]+)"/g),
  ]);
  expect(wanted.length).toBeGreaterThan(10);
  for (const [, anchor] of wanted) {
    for (const guide of GUIDES) expect(guide).toContain(`<a id="${anchor}"></a>`);
  }
});
