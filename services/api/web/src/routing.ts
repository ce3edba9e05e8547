/** What a route says, in words, and what a changed one would change. Pure: no requests. */
import type { Schemas } from "./api/client";
import type { Messages } from "./i18n";

export type Route = Schemas["Route"];

export const CONDITIONS = [
  "modalities",
  "calling_ae_titles",
  "called_ae_titles",
  "patient_ids",
  "study_descriptions",
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** The values of a text such as `CT, MR`. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
}

/** Which studies a route is for: one phrase for each condition; none means all studies. */
export function conditionTexts(route: Record<Condition, string[]>, t: Messages): string[] {
  return CONDITIONS.filter((each) => route[each].length).map(
    (each) => `${t.routes.conditions[each]}: ${route[each].join(` ${t.routes.or} `)}`,
  );
}

export interface Outcome {
  destinations: string[];
  studyUid: string;
  name: string;
}

/** Of the studies whose destinations are others than before, what they lose and gain. */
export function changes(before: Outcome[], after: Outcome[]) {
  return after.flatMap((now, index) => {
    const then = before[index]?.destinations ?? [];
    const gained = now.destinations.filter((each) => !then.includes(each));
    const lost = then.filter((each) => !now.destinations.includes(each));
    return gained.length || lost.length ? [{ ...now, gained, lost }] : [];
  });
}
