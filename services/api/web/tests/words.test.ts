import { describe, expect, test } from "vitest";
import type {
  Association,
  Delivery,
  Destination,
  LogEntry,
  Schemas,
  Sender,
  Study,
  TimelineEntry,
} from "../src/api/client";
import { Format } from "../src/format";
import { en } from "../src/i18n/en";
import { ptBR } from "../src/i18n/pt-BR";
import {
  callersToLookAt,
  changeText,
  detailText,
  entryText,
  fieldName,
  filesText,
  fills,
  freeName,
  holders,
  letterText,
  lineText,
  mayBeAdmitted,
  nameOf,
  owedTo,
  refusedCallers,
  sentence,
  sentences,
  worstFirst,
} from "../src/words";

const format = new Format("en-GB", "America/Sao_Paulo");
const today = new Date();
today.setUTCHours(17, 18, 0, 0); // 14:18 in São Paulo
const AT = today.toISOString();

function delivery(values: Partial<Delivery>): Delivery {
  return {
    id: "d",
    study_uid: "1.2",
    revision: 1,
    destination: "PACS",
    state: "delivered",
    sent: 245,
    total: 245,
    attempt: 0,
    next_attempt_at: null,
    reason: null,
    created_at: AT,
    started_at: AT,
    finished_at: AT,
    replaced_by: null,
    ...values,
  };
}

function study(values: Partial<Study>): Study {
  const base = { image_count: 245, state: "sent", held: false, sent: true, deliveries: [] };
  return { ...base, ...values } as unknown as Study;
}

function destination(values: Partial<Destination>): Destination {
  return { name: "PACS", paused: false, down: null, waiting: 0, ...values } as Destination;
}

function said(of: Study, where: Destination[] = [], t = en): string[] {
  return sentences(of, where, t, format).map((each) => each.text);
}

describe("words that are put together", () => {
  test("end with one full stop", () => {
    expect(sentence("1 study")).toBe("1 study.");
    expect(sentence("Is it running?")).toBe("Is it running?");
  });

  test("have a capital where the router's own words begin a line, and names as they are", () => {
    const routed = { at: AT, event: "routed", detail: "the only route does not apply" };
    expect(detailText(routed)).toBe("The only route does not apply");
    expect(detailText({ ...routed, event: "delivered", detail: "pacs: 1 of 1" })).toMatch(/^pacs/);
  });
});

describe("whether a study's images are on this disk", () => {
  test("is yes only if all of them are, as they came", () => {
    expect(filesText({ there: 245, replaced: 0, missing: 0 }, en)).toBe("Yes");
    expect(filesText({ there: 244, replaced: 0, missing: 1 }, en)).toBe("244 of 245 images");
    expect(filesText({ there: 244, replaced: 1, missing: 0 }, ptBR)).toBe(
      "244 de 245 imagens, 1 substituída por outra coisa",
    );
  });
});

describe("when the disk will be full", () => {
  const told = (forecast: string, hours_to_full: number | null) =>
    fills({ forecast, hours_to_full } as Schemas["Disk"], en.disk.full, en.disk, format);

  test("is told as far as the router foretells it", () => {
    expect(told("in-hours", 72)).toBe("At this rate images will be refused in 3 days.");
    expect(told("far-off", 1e6)).toBe(en.disk.notSoon);
    expect(told("not-filling", null)).toBe(en.disk.notFilling);
  });
});

describe("the first sentence of a study", () => {
  test("says how many images a destination has, and since when", () => {
    expect(said(study({ deliveries: [delivery({})] }))[0]).toMatch(
      /^PACS: 245 of 245 images, .*14:18\.$/,
    );
  });

  test("says that a destination is down, who else waits, and that it goes out by itself", () => {
    const reason = { kind: "unreachable", text: "" } as const;
    const down = { since: AT, reason, next_probe_at: AT };
    const waits = study({
      state: "forwarding",
      deliveries: [delivery({ state: "retrying", sent: 12, finished_at: null })],
    });
    expect(said(waits, [destination({ down, waiting: 8 })])[0]).toMatch(
      /^PACS has been down since .*14:18\. This study and 7 more wait, and go out by themselves once PACS answers\.$/,
    );
    expect(said(waits, [destination({ down, waiting: 8 })], ptBR)[0]).toMatch(
      /^PACS está fora do ar desde .*14:18\. Este estudo e mais 7 esperam e saem sozinhos quando o destino voltar\.$/,
    );
  });

  test("says why sending has failed, with the DICOM status", () => {
    const reason = { kind: "refused", dicom_status: 0xa900, text: "" } as const;
    const failed = study({
      state: "failed",
      deliveries: [delivery({ state: "failed", sent: 3, reason })],
    });
    expect(said(failed)).toEqual([
      "PACS: 3 of 245 images, it refused an image (status 0xA900). See there why, and put it right; then send it again.",
    ]);
  });

  test("says that there is nothing to do only of what can't be reached", () => {
    const retried = (kind: "unreachable" | "refused") =>
      study({
        state: "forwarding",
        deliveries: [
          delivery({
            state: "retrying",
            sent: 3,
            next_attempt_at: AT,
            reason: { kind, dicom_status: 0xa700, text: "" } as unknown as Delivery["reason"],
          }),
        ],
      });
    expect(said(retried("unreachable"))[0]).toMatch(/; next try at .*14:18, nothing to do\.$/);
    expect(said(retried("refused"))[0]).toMatch(/\(status 0xA700\); next try at .*14:18\.$/);
  });

  test("says why a study goes nowhere, where its history does", () => {
    const unrouted = study({ state: "unrouted", sent: false });
    const told = (...entries: object[]) =>
      sentences(unrouted, [], en, format, entries as TimelineEntry[])[0]?.text;
    const completed = { event: "completed" };
    expect(told()).toContain("none was enabled, or no route applies");
    expect(told(completed)).toContain(": none was enabled.");
    const routed = { event: "routed", destinations: [] };
    expect(told(completed, { ...routed, routes: [] })).toContain(": no route applies.");
    expect(told(completed, { ...routed, routes: ["ct"] })).toContain("its route leads to");
    expect(told({ ...routed, routes: [] }, completed)).toContain(": none was enabled.");
  });

  test("is told of a destination that has not all before one that has", () => {
    const failed = delivery({ id: "b", destination: "ARCHIVE", state: "failed", sent: 0 });
    const owed = worstFirst(owedTo(study({ deliveries: [failed, delivery({})] })));
    expect(owed.map((each) => each.destination)).toEqual(["ARCHIVE", "PACS"]);
  });

  test("says why it is held, and what the destinations have all the same", () => {
    const held = study({ state: "held", held: true, hold_reason: "wrong patient" });
    expect(said(held)[0]).toContain("wrong patient");
  });

  test("takes the revisions together and leaves out what was replaced", () => {
    const deliveries = [
      delivery({ id: "a", sent: 1, state: "failed", replaced_by: "b" }),
      delivery({ id: "b" }),
      delivery({ id: "c", revision: 2, sent: 1, total: 3, state: "sending" }),
    ];
    const owed = owedTo(study({ image_count: 248, deliveries }));
    expect(owed).toMatchObject([{ sent: 246, total: 248, decisive: { id: "c" } }]);
  });

  test("counts no image twice when all of them were sent once more", () => {
    const deliveries = [delivery({ id: "a" }), delivery({ id: "b", sent: 244, state: "failed" })];
    const owed = owedTo(study({ deliveries }));
    expect(owed).toMatchObject([{ sent: 244, total: 245, decisive: { id: "b" } }]);
  });

  test("says that a destination has all, where only sending it once more has failed", () => {
    const reason = { kind: "missing", text: "" } as const;
    const again = delivery({ id: "b", sent: 2, state: "failed", reason });
    const told = (...deliveries: Delivery[]) => said(study({ state: "failed", deliveries }))[0];
    expect(told(delivery({ id: "a" }), again)).toMatch(
      /^PACS has had all 245 images since .*14:18; sending them again failed after 2 of 245: an image's file is missing/,
    );
    const part = delivery({ id: "a", sent: 200, state: "cancelled" });
    expect(told(part, again)).toMatch(/^PACS: 2 of 245 images, /);
    const emptied = delivery({ id: "b", sent: 0, state: "failed" });
    expect(holders(study({ deliveries: [delivery({ id: "a" }), emptied] }))).toEqual(["PACS"]);
  });

  test("puts what is wrong before what went well", () => {
    const failed = delivery({ destination: "ARCHIVE", state: "failed", sent: 0 });
    const found = sentences(study({ deliveries: [delivery({}), failed] }), [], en, format);
    expect(found.map((each) => each.tone)).toEqual(["danger", "success"]);
  });

  test("of a study that is not here any more, says who has it", () => {
    expect(holders(study({ deliveries: [delivery({})] }))).toEqual(["PACS"]);
  });
});

describe("the timeline", () => {
  const entry = (values: object) => ({ at: AT, detail: "as recorded", ...values }) as TimelineEntry;

  test("is told in the reader's language", () => {
    const received = entry({
      event: "received",
      calling_ae_title: "CT1",
      peer_address: "10.0.0.7",
      instances: 1,
    });
    expect(entryText(received, ptBR)).toBe("CT1 em 10.0.0.7 enviou 1 imagem");
    const delivered = entry({ event: "delivered", destination: "PACS" });
    expect(entryText(delivered, ptBR)).toBe("PACS recebeu tudo");
  });

  test("shows an event that it does not know as it was recorded", () => {
    expect(entryText(entry({ event: "something-new" }), en)).toBe("as recorded");
  });
});

describe("a line of the log", () => {
  const line = (event: string, fields: object) => ({ event, fields }) as LogEntry;

  test("says what happened in the reader's language, and why", () => {
    const who = { calling_ae_title: "CT_2", peer_address: "10.0.0.7" };
    const refused = line("association.rejected", { ...who, why: "não é conhecido" });
    expect(lineText(refused, ptBR)).toBe("CT_2 em 10.0.0.7 foi recusado: não é conhecido");
    const ended = line("association.ended", {
      ...who,
      outcome: "released",
      receipts: 1,
      refused: 0,
    });
    expect(lineText(ended, en)).toBe("CT_2 at 10.0.0.7 is done: 1 image received");
  });

  test("of which its words say why does not say so twice", () => {
    const deleted = line("study.deleted", { images: 3, why: "retention" });
    expect(lineText(deleted, en)).toBe(
      "Removed from this disk: 3 images; its time on this disk is over",
    );
  });

  test("that is not known here is called by its name", () => {
    expect(lineText(line("something.new", { error: "odd" }), en)).toBe("something.new: odd");
  });
});

test("a field that is not allowed is called as in its form", () => {
  expect(fieldName("port", ptBR)).toBe("Porta");
  expect(fieldName("addresses.0", en)).toBe(en.scanners.addresses);
  expect(fieldName("replaced_by", en)).toBe("replaced by");
});

describe("refused callers", () => {
  const refusal = (title: string, at: string) =>
    ({ calling_ae_title: title, peer_address: "10.0.0.7", opened_at: at }) as Association;
  const first = refusal("CT_2", "2026-01-22T10:00:00Z");
  const again = refusal("CT_2", "2026-01-22T11:00:00Z");

  test("are shown once each, with their last call", () => {
    expect(refusedCallers([again, first], [])).toEqual([again]);
  });

  test("are shown no more once they were admitted", () => {
    const admitted = { ae_title: "CT_2", updated_at: "2026-01-22T12:00:00Z" } as Sender;
    expect(refusedCallers([again, first], [admitted])).toEqual([]);
  });

  test("are news for a day", () => {
    const unknown = { ...again, refusal: "unknown-caller" } as Association;
    const at = (time: string) => callersToLookAt([unknown], [], new Date(time));
    expect(at("2026-01-23T10:59:00Z")).toEqual([unknown]);
    expect(at("2026-01-23T11:01:00Z")).toEqual([]);
  });

  test("are admitted only where that helps, and where somebody gave a name", () => {
    const admitting = (values: object) => mayBeAdmitted({ ...first, ...values } as Association);
    expect(admitting({ refusal: "renamed-caller" })).toBe(true);
    expect(admitting({ refusal: null })).toBe(true);
    expect(admitting({ refusal: "nothing-accepted" })).toBe(false);
    expect(admitting({ refusal: "unknown-caller", calling_ae_title: "" })).toBe(false);
  });

  test("get a name that may be used in an address", () => {
    expect(nameOf("CT_ROOM 1")).toBe("ct-room-1");
    expect(nameOf("__A__")).toBe("a");
  });

  test("get another name where others have theirs", () => {
    expect(freeName("CT 1", ["mr-1"])).toBe("ct-1");
    expect(freeName("CT 1", ["ct-1", "ct-1-2"])).toBe("ct-1-3");
    expect(freeName("___", [])).toBe("scanner");
  });
});

test("a change is told from its old value to its new one", () => {
  expect(changeText(["10.0.0.5", "10.0.0.6"])).toBe("10.0.0.5 → 10.0.0.6");
  expect(changeText([null, true])).toBe("— → true");
  expect(changeText("changed")).toBe("changed");
});

test("a dead letter is told in words, whatever its error is called", () => {
  const letter = (reason: string, delivery_id: string | null = null) =>
    letterText({ reason, delivery_id } as Schemas["DeadLetter"], en);
  expect(letter("Unprocessable: it is no object")).toBe(en.queues.errors.Unprocessable);
  expect(letter("KeyError: 'x'")).toBe(en.queues.errors.other);
  expect(letter("PACS refused an image", "d")).toBe(en.queues.errors.delivery);
});
