import { expect, test } from "vitest";
import { chartOf, type History, peaks } from "../src/depths";
import { en } from "../src/i18n/en";
import { changes, conditionTexts, listOf } from "../src/routing";

const NOTHING = {
  modalities: [],
  calling_ae_titles: [],
  called_ae_titles: [],
  patient_ids: [],
  study_descriptions: [],
};

test("a text of values with commas is a list", () => {
  expect(listOf(" CT,MR ,, ")).toEqual(["CT", "MR"]);
  expect(listOf("")).toEqual([]);
});

test("a route tells its conditions, and nothing of those that it does not have", () => {
  const route = { ...NOTHING, modalities: ["CT", "MR"], calling_ae_titles: ["ROOM_*"] };
  expect(conditionTexts(route, en)).toEqual([
    "Modality: CT or MR",
    "AE title of the scanner: ROOM_*",
  ]);
  expect(conditionTexts(NOTHING, en)).toEqual([]);
});

test("a draft tells only the studies that would go elsewhere", () => {
  const study = (studyUid: string, ...destinations: string[]) => ({
    studyUid,
    name: "A",
    destinations,
  });
  const before = [study("1", "pacs"), study("2", "pacs"), study("3")];
  const after = [study("1", "pacs"), study("2", "ai"), study("3", "ai")];
  expect(changes(before, after)).toMatchObject([
    { studyUid: "2", gained: ["ai"], lost: ["pacs"] },
    { studyUid: "3", gained: ["ai"], lost: [] },
  ]);
});

const sample = (second: number, waiting: Record<string, number>) => ({
  at: new Date(second * 1000).toISOString(),
  waiting,
  dead: {},
});

test("a chart has a line for each queue that held something, and a gap where nobody looked", () => {
  const history: History = {
    every_seconds: 30,
    samples: [sample(0, {}), sample(30, { b: 2 }), sample(600, { a: 1, b: 5 })],
  };
  expect(chartOf(history)).toEqual({
    names: ["a", "b"],
    rows: [
      [0, 30, 60, 600],
      [0, 0, null, 1],
      [0, 2, null, 5],
    ],
  });
  expect(peaks(history).map((each) => [each.name, each.most])).toEqual([
    ["b", 5],
    ["a", 1],
  ]);
});
