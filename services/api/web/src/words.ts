/** What a study's state, deliveries and history come to, in sentences. Pure: no clock, no requests. */
import type {
  Association,
  Delivery,
  Destination,
  LogEntry,
  Reason,
  Schemas,
  Sender,
  Study,
  TimelineEntry,
} from "./api/client";
import type { Format } from "./format";
import type { Messages } from "./i18n";

export type Tone = "success" | "warning" | "danger" | "brand" | "neutral";

export interface Sentence {
  text: string;
  tone: Tone;
}

export const STATE_TONES: Record<Study["state"], Tone> = {
  receiving: "brand",
  complete: "brand",
  forwarding: "brand",
  sent: "success",
  failed: "danger",
  unrouted: "warning",
  held: "warning",
  deleted: "neutral",
};

export const DELIVERY_TONES: Record<Delivery["state"], Tone> = {
  waiting: "neutral",
  sending: "brand",
  retrying: "warning",
  delivered: "success",
  failed: "danger",
  cancelled: "warning",
};

/** Why a delivery waits or has failed, in words that go on a sentence. */
export function reasonText(reason: Reason, t: Messages): string {
  const status = reason.dicom_status;
  const found = t.reasons[reason.kind as keyof Messages["reasons"]];
  if (typeof found === "function") {
    return found(
      typeof status === "number" ? `0x${status.toString(16).toUpperCase().padStart(4, "0")}` : "",
    );
  }
  return found ?? reason.text;
}

/** As the first words of a line. */
export function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** As a whole sentence: with a full stop, unless it ends with a mark already. */
export function sentence(text: string): string {
  return /[.?!…]$/.test(text) ? text : `${text}.`;
}

/** A study's deliveries to one destination, taken together. */
export interface Owed {
  destination: string;
  sent: number;
  total: number;
  /** The one that decides: the worst that has not ended well, or the last that has. */
  decisive: Delivery;
  /** By this it has all already, where all was to be sent once more and that has not ended well. */
  before?: Delivery;
}

const GRAVITY: Delivery["state"][] = [
  "delivered",
  "sending",
  "waiting",
  "retrying",
  "cancelled",
  "failed",
];

/** What was sent once more is not counted twice: the newest deliveries that have it all count. */
export function owedTo(study: Pick<Study, "deliveries" | "image_count">): Owed[] {
  const found = new Map<string, Owed>();
  const older = new Map<string, Delivery[]>();
  for (const each of [...study.deliveries].reverse()) {
    if (each.replaced_by) continue;
    const { destination, sent, total, state } = each;
    const known = found.get(destination);
    if (!known) {
      found.set(destination, { destination, sent, total, decisive: each });
      continue;
    }
    if (known.total < study.image_count) {
      known.sent += sent;
      known.total += total;
    } else {
      older.set(destination, [each, ...(older.get(destination) ?? [])]);
    }
    if (GRAVITY.indexOf(state) > GRAVITY.indexOf(known.decisive.state)) known.decisive = each;
  }
  for (const [destination, deliveries] of older) {
    const owed = found.get(destination);
    const [before] = owedTo({ ...study, deliveries });
    const hadAll = before?.decisive.state === "delivered" && before.sent >= study.image_count;
    if (owed && hadAll && owed.decisive.state !== "delivered") owed.before = before.decisive;
  }
  return [...found.values()].reverse();
}

const URGENCY: Tone[] = ["danger", "warning", "brand", "success", "neutral"];

/** What is most worth knowing about a study, the first thing on its page: what is wrong first. */
export function sentences(
  study: Study,
  destinations: Destination[],
  t: Messages,
  format: Format,
  timeline?: TimelineEntry[],
): Sentence[] {
  const s = t.sentence;
  if (study.state === "deleted") return [{ text: s.deleted, tone: "neutral" }];
  const found: Sentence[] = [];
  if (study.held) found.push({ text: s.held(study.hold_reason ?? ""), tone: "warning" });
  if (study.state === "receiving") {
    found.push({ text: s.receiving(study.image_count), tone: "brand" });
  }
  found.push(...owedTo(study).map((each) => destinationSentence(each, destinations, t, format)));
  if (study.state === "unrouted") {
    const why = s[whyUnrouted(timeline)];
    found.push({ text: why(study.image_count), tone: "warning" });
  } else if (!found.length) {
    found.push(
      study.sent
        ? { text: s.takenOver, tone: "success" }
        : { text: s.complete(study.image_count), tone: "brand" },
    );
  }
  return found.sort((a, b) => URGENCY.indexOf(a.tone) - URGENCY.indexOf(b.tone));
}

/** Which text says why a study goes nowhere: by what was noted when its last revision was routed. */
function whyUnrouted(
  timeline: TimelineEntry[] = [],
): "unrouted" | "noneEnabled" | "noRoute" | "routedNowhere" {
  const completed = timeline.map((each) => each.event).lastIndexOf("completed");
  if (completed < 0) return "unrouted";
  const routed = timeline.slice(completed).findLast((each) => each.event === "routed");
  if (!routed) return "noneEnabled"; // without routes nothing is noted
  const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
  if (!isEmpty(routed.destinations)) return "unrouted";
  return isEmpty(routed.routes) ? "noRoute" : "routedNowhere";
}

function destinationSentence(
  owed: Owed,
  destinations: Destination[],
  t: Messages,
  format: Format,
): Sentence {
  const s = t.sentence;
  const { destination: to, sent, total, decisive, before } = owed;
  const where = destinations.find((each) => each.name === to);
  const why = decisive.reason ? reasonText(decisive.reason, t) : "";
  const again = before && s.again(to, total, when(before, format));
  switch (decisive.state) {
    case "delivered":
      return { text: s.delivered(to, sent, total, when(decisive, format)), tone: "success" };
    case "failed":
      return {
        text: again
          ? s.failedAgain(again, sent, total, why, remedy(decisive, t))
          : s.failed(to, sent, total, why, remedy(decisive, t)),
        tone: "danger",
      };
    case "cancelled":
      return {
        text: again ? s.cancelledAgain(again, sent, total) : s.cancelled(to, sent, total),
        tone: "warning",
      };
    case "sending":
      return { text: s.sending(to, sent, total), tone: "brand" };
    default:
  }
  if (where?.paused) return { text: s.paused(to, sent, total), tone: "warning" };
  if (where?.down) {
    const others = Math.max(0, where.waiting - 1);
    return { text: s.down(to, format.time(where.down.since), others), tone: "warning" };
  }
  if (decisive.state === "retrying" && decisive.next_attempt_at && why) {
    const at = format.time(decisive.next_attempt_at);
    const text = decisive.reason?.kind === "unreachable" ? s.unreachable : s.retrying;
    return { text: text(to, sent, total, why, at), tone: "warning" };
  }
  return { text: s.waiting(to, sent, total), tone: "brand" };
}

/** What to do about a delivery that has failed. */
function remedy(delivery: Delivery, t: Messages): string {
  const known = t.remedies[delivery.reason?.kind as keyof Messages["remedies"]];
  return known ?? t.remedies.other;
}

function when(delivery: Delivery, format: Format): string {
  return delivery.finished_at ? format.time(delivery.finished_at) : "";
}

/** Why a message could not be handled; its own text is the router's, for whoever helps. */
export function letterText(letter: Schemas["DeadLetter"], t: Messages): string {
  if (letter.delivery_id) return t.queues.errors.delivery;
  const kind = /^(\w+): /.exec(letter.reason)?.[1];
  return t.queues.errors[kind as keyof Messages["queues"]["errors"]] ?? t.queues.errors.other;
}

/** A timeline's entry in words; what it says in addition, as the router recorded it. */
export function entryText(entry: TimelineEntry, t: Messages): string {
  const words = t.timeline;
  const text = (name: string) => (typeof entry[name] === "string" ? (entry[name] as string) : "");
  const count = (name: string) => (typeof entry[name] === "number" ? (entry[name] as number) : 0);
  switch (entry.event) {
    case "received":
      return words.received(text("calling_ae_title"), text("peer_address"), count("instances"));
    case "organized":
      return words.organized(count("instances"));
    case "completed":
      return words.completed(count("revision"), count("new_instances"));
    case "delivery-failed":
      return words["delivery-failed"](
        text("destination"),
        entry.reason ? reasonText(entry.reason as Reason, t) : entry.detail,
      );
    case "forward-requested":
      return words["forward-requested"](text("by"), text("destination") || words.all);
    case "released": // of a study that was not held: a person looked at it
      return (entry.was_held === false ? words.checked : words.released)(
        text("by"),
        text("reason"),
      );
    case "held":
      return words.held(text("by"), text("reason"));
    default:
  }
  const known = words[entry.event as keyof Messages["timeline"]];
  if (typeof known === "string") return known;
  return typeof known === "function"
    ? (known as (to: string) => string)(text("destination"))
    : entry.detail;
}

/** What the router recorded of an entry, as the first words of a line. */
export function detailText(entry: TimelineEntry): string {
  // Others begin with a name, which stays as it is.
  return entry.event === "routed" ? capital(entry.detail) : entry.detail;
}

/** These fields of a log line say why, unless its words do so already. */
const SAYS_WHY = ["why", "error", "reason", "detail"];
const TOLD_BY_ITS_WORDS = ["study.deleted"];

/** What a line of the log says, in words; of a line that a later version wrote its name. */
export function lineText(line: LogEntry, t: Messages): string {
  const of = (field: string) => plainText(line.fields[field]);
  const words = t.logs.events[line.event as keyof Messages["logs"]["events"]];
  const why = TOLD_BY_ITS_WORDS.includes(line.event) ? "" : SAYS_WHY.map(of).find(Boolean);
  const joint = /^\p{Lu}\p{Ll}/u.test(why ?? "") ? ". " : ": "; // a sentence of its own, or not
  return [words ? words(of) : line.event, why].filter(Boolean).join(joint);
}

/** A field's value as it is read. */
export function plainText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(plainText).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What was changed, from its old value to its new one. */
export function changeText(value: unknown): string {
  if (!Array.isArray(value) || value.length !== 2) return plainText(value);
  return value.map((each) => plainText(each) || "—").join(" → ");
}

/** Whether a study was never owed to anybody, so that to send it is not to send it again. */
export function isUnsent(study: Study): boolean {
  return !study.sent && study.deliveries.length === 0;
}

/** Of destinations the worst first: what is wrong is not cut off. */
export function worstFirst(owed: Owed[]): Owed[] {
  const gravity = (each: Owed) => GRAVITY.indexOf(each.decisive.state);
  return [...owed].sort((a, b) => gravity(b) - gravity(a));
}

/** When images will be refused, as far as that can be told; diagnostics say it the same way. */
export function fills(
  disk: Schemas["Disk"],
  told: (span: string) => string,
  words: { notSoon: string; notFilling: string },
  format: Format,
): string {
  if (disk.forecast === "far-off") return words.notSoon;
  return disk.hours_to_full === null ? words.notFilling : told(format.span(disk.hours_to_full));
}

/** Who has a study that is not on this disk any more. */
export function holders(study: Study): string[] {
  return owedTo(study)
    .filter((each) => each.sent > 0 || each.before)
    .map((each) => each.destination);
}

/** Whether a study's images are on this disk: so many where it is not all of them. */
export function filesText(files: Schemas["StudyFiles"], t: Messages): string {
  const { there, replaced, missing } = files;
  if (replaced + missing === 0) return t.app.yes;
  return t.study.filesOnDisk(there, there + replaced + missing, replaced);
}

/** What the pages call a field of the API; its own name, as words, where none has it. */
export function fieldName(field: string, t: Messages): string {
  const names: Record<string, string> = {
    name: t.peer.name,
    host: t.peer.host,
    port: t.peer.port,
    ae_title: t.peer.aeTitle,
    calling_ae_title: t.destinations.calling,
    addresses: t.scanners.addresses,
    settle_seconds: t.scanners.settle,
    destination: t.study.destination,
    destinations: t.pages.destinations,
    order: t.routes.order,
    ...t.routes.conditions,
    modality: t.studies.modality,
    state: t.studies.state,
    study_uid: t.study.uid,
    peer_address: t.scanners.address,
    address: t.scanners.address,
    request_id: t.audit.request,
    images: t.studies.images,
    service: t.logs.service,
    queue: t.queues.queue,
    role: t.users.role,
    enabled: t.destinations.enabled,
    paused: t.destinations.pause,
    password: t.signIn.password,
    current: t.password.current,
    new: t.password.wanted,
    expires_at: t.users.expires,
    reason: t.app.reason,
  };
  return names[field.split(".")[0] ?? ""] ?? field.replaceAll("_", " ");
}

/** What has to be entered at a scanner. */
export function setUpText(site: Schemas["Site"], t: Messages): string {
  const s = t.scanners;
  const told = s.setUp(site.ae_title, site.dicom_ports.join(", "));
  const tls = site.dicom_tls_ports.join(", ");
  return tls ? `${told} ${s.setUpTls(tls)}` : told;
}

/** The same of a log line, where those who called are scanners. */
export function logFieldName(field: string, t: Messages): string {
  const { calling_ae_titles, called_ae_titles } = t.routes.conditions;
  if (field === "calling_ae_title") return calling_ae_titles;
  return field === "called_ae_title" ? called_ae_titles : fieldName(field, t);
}

const LONGEST_NAME = 40;

/** A name for a caller that may be used in an address: CT_ROOM 1 becomes ct-room-1. */
export function nameOf(aeTitle: string): string {
  const name = aeTitle.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return name.replace(/^-+|-+$/g, "").slice(0, LONGEST_NAME);
}

/** The same for a caller whose name others have already: ct-room-1-2. */
export function freeName(aeTitle: string, taken: string[]): string {
  const name = nameOf(aeTitle) || "scanner";
  let found = name;
  for (let number = 2; taken.includes(found); number += 1) {
    const end = `-${number}`;
    found = name.slice(0, LONGEST_NAME - end.length) + end;
  }
  return found;
}

/** What to be registered as a known scanner helps against; null is an earlier version's refusal. */
const HELPED_BY_ADMITTING = [null, "unknown-caller", "renamed-caller", "wrong-address"];

export function mayBeAdmitted(refused: Association): boolean {
  return refused.calling_ae_title !== "" && HELPED_BY_ADMITTING.includes(refused.refusal);
}

/** Of each refused caller the last refusal, unless it was admitted since. */
export function refusedCallers(refusals: Association[], known: Sender[]): Association[] {
  const admitted = new Map(known.map((each) => [each.ae_title, Date.parse(each.updated_at)]));
  const found = new Map<string, Association>();
  for (const each of refusals) {
    const since = admitted.get(each.calling_ae_title);
    if (since !== undefined && Date.parse(each.opened_at) < since) continue;
    const key = `${each.calling_ae_title}\n${each.peer_address}`;
    const seen = found.get(key);
    if (!seen || Date.parse(each.opened_at) > Date.parse(seen.opened_at)) found.set(key, each);
  }
  return [...found.values()];
}

const NEWS_FOR_MS = 24 * 60 * 60 * 1000;

/** Refused callers that somebody should look at: they may be admitted, and called of late. */
export function callersToLookAt(
  refusals: Association[],
  known: Sender[],
  now: Date,
): Association[] {
  const since = now.getTime() - NEWS_FOR_MS;
  return refusedCallers(refusals, known).filter(
    (each) => mayBeAdmitted(each) && Date.parse(each.opened_at) >= since,
  );
}
