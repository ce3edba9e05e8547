import { expect, test } from "vitest";
import { Format } from "../src/format";

const saoPaulo = new Format("pt-BR", "America/Sao_Paulo");
const NOW = new Date("2026-01-22T18:00:00Z");

test("times are the site's, whatever the browser's zone", () => {
  expect(saoPaulo.time("2026-01-22T17:18:00Z", NOW)).toBe("14:18");
  expect(saoPaulo.second("2026-01-22T17:18:09Z", NOW)).toBe("14:18:09");
});

test("another day is named", () => {
  expect(saoPaulo.time("2026-01-22T02:10:00Z", NOW)).toBe("21/01,\u00a023:10");
  const english = new Format("en", "America/Sao_Paulo");
  expect(english.time("2026-01-22T02:10:00Z", NOW)).toBe("Jan\u00a021,\u00a023:10");
  expect(saoPaulo.time("2025-01-22T17:18:00Z", NOW)).toContain("2025");
});

test("a local stamp stays what it is", () => {
  expect(saoPaulo.stamp("20260122_141530", NOW)).toBe("14:15");
  expect(saoPaulo.stamp("odd", NOW)).toBe("odd");
});

test("times in the API's texts are told as all others", () => {
  const english = new Format("en", "America/Sao_Paulo");
  expect(english.dated("Down since 2026-01-21 23:10, 2 wait", NOW)).toBe(
    "Down since Jan\u00a021,\u00a023:10, 2 wait",
  );
  expect(saoPaulo.dated("Fora do ar desde 22/01/2026 14:18: x", NOW)).toBe(
    "Fora do ar desde 14:18: x",
  );
});

test("seconds are told in a unit that can be grasped", () => {
  const english = new Format("en", "UTC");
  expect(english.duration(2.04)).toBe("2 seconds");
  expect(english.duration(90)).toBe("1.5 minutes");
  expect(saoPaulo.duration(3600)).toBe("1 hora");
});

test("midnight is 00:00, in English too", () => {
  const utc = new Format("en", "UTC");
  expect(utc.time("2026-01-22T00:05:00Z", NOW)).toBe("00:05");
});

test("a zone that this browser does not know is the browser's own", () => {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  expect(new Format("en", "Nowhere/At_All").zone).toBe(own);
  expect(new Format("en", "Etc/GMT+3").time("2026-01-22T17:18:00Z", NOW)).toBe("14:18");
});

test("a span is told in hours, days or years", () => {
  expect(saoPaulo.span(1)).toBe("1 hora");
  expect(saoPaulo.span(47.4)).toBe("47 horas");
  expect(saoPaulo.span(240)).toBe("10 dias");
  expect(saoPaulo.span(38_468)).toBe("4 anos");
});

test("sizes have the language's decimal mark", () => {
  expect(saoPaulo.bytes(2373480)).toBe("2,3\u00a0MiB");
  expect(saoPaulo.bytes(12)).toBe("12\u00a0B");
  expect(saoPaulo.bytes(252.3 * 2 ** 30)).toBe("252\u00a0GiB");
});

test("a day ends by the site's clock, also on the day on which it is changed", () => {
  expect(saoPaulo.endOfDay("2030-01-31")).toBe("2030-02-01T02:59:59.000Z");
  expect(new Format("en", "Pacific/Auckland").endOfDay("2030-01-31")).toBe(
    "2030-01-31T10:59:59.000Z",
  );
  expect(new Format("en", "Europe/Lisbon").endOfDay("2026-03-29")).toBe("2026-03-29T22:59:59.000Z");
});
