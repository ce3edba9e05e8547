/** Depths of queues as a chart needs them: one row of times, one of values for each queue. Pure. */
import type { Schemas } from "./api/client";

export type History = Schemas["QueueHistory"];

export interface Chart {
  names: string[];
  /** Seconds since 1970; beside each a value of every queue, null where nobody looked. */
  rows: [number[], ...(number | null)[][]];
}

/** Only queues that held something are drawn. A gap of several samples stays a gap. */
export function chartOf(history: History): Chart {
  const { samples } = history;
  const names = [...new Set(samples.flatMap((each) => Object.keys(each.waiting)))].sort();
  const times: number[] = [];
  const rows: (number | null)[][] = names.map(() => []);
  for (const each of samples) {
    const at = Date.parse(each.at) / 1000;
    const last = times.at(-1);
    if (last !== undefined && at - last > 3 * history.every_seconds) {
      times.push(last + history.every_seconds);
      for (const row of rows) row.push(null);
    }
    times.push(at);
    names.forEach((name, index) => {
      rows[index]?.push(each.waiting[name] ?? 0);
    });
  }
  return { names, rows: [times, ...rows] };
}

/** The most that a queue held, and when: what a chart says to who can't see it. */
export function peaks(history: History): { name: string; most: number; at: string }[] {
  const found = new Map<string, { name: string; most: number; at: string }>();
  for (const { at, waiting } of history.samples) {
    for (const [name, most] of Object.entries(waiting)) {
      const known = found.get(name);
      if (!known || most > known.most) found.set(name, { name, most, at });
    }
  }
  return [...found.values()].sort((a, b) => b.most - a.most);
}
