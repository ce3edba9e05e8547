import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection, GRACE_MS, isAway } from "../src/connection";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("an answer that went missing is no outage if another follows", () => {
  const connection = new Connection();
  connection.lost();
  vi.advanceTimersByTime(GRACE_MS - 1);
  connection.heard();
  vi.advanceTimersByTime(GRACE_MS);
  expect(connection.away.value).toBeNull();
});

test("the router is away since it was last heard of, until it is heard of again", () => {
  const connection = new Connection();
  const last = new Date();
  connection.heard();
  vi.advanceTimersByTime(10_000);
  connection.lost();
  vi.advanceTimersByTime(GRACE_MS - 1);
  connection.lost(); // begins no new grace
  vi.advanceTimersByTime(1);
  expect(connection.away.value).toEqual(last);
  connection.heard();
  expect(connection.away.value).toBeNull();
});

test("a router that says why it can't has answered; a proxy without one has not", () => {
  const answer = (status: number, type: string) =>
    new Response("", { status, headers: { "Content-Type": type } });
  expect(isAway(answer(503, "application/problem+json"))).toBe(false);
  expect(isAway(answer(503, "text/html"))).toBe(true);
  expect(isAway(answer(502, "text/html"))).toBe(true);
  expect(isAway(answer(500, "text/html"))).toBe(false);
});
