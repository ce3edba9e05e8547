/** What each line of the log says, in English. */
import type { Schemas } from "../api/client";

/** By the line's name; `of` gives the text of one of its fields, empty where it has none. */
export type LogWords = Record<Schemas["Log"], (of: (field: string) => string) => string>;

const images = (n: string) => (n === "1" ? "1 image" : `${n} images`);
const deliveries = (n: string) => (n === "1" ? "1 delivery" : `${n} deliveries`);
const DONE: Record<string, string> = { created: "added", changed: "changed", deleted: "removed" };
const DELETED_FOR: Record<string, string> = {
  user: "a person deleted the study",
  retention: "its time on this disk is over",
  disk: "the disk is short of room",
};

export const enLog: LogWords = {
  "service.started": (of) => `The ${of("name")} service is running`,
  "service.stopping": (of) => `The ${of("name")} service is stopping`,
  "service.stopped": (of) => `The ${of("name")} service has stopped`,
  "service.failed": () => "A part of the service ended by an error of ours and is replaced",
  "setting.ignored": (of) => `The setting ${of("variable")} is ignored`,
  "bus.connected": () => "Connected to the message broker",
  "bus.lost": () => "The connection to the message broker was lost",
  "bus.blocked": () => "The message broker is short of memory or disk and takes nothing",
  "message.retried": (of) => `A message of ${of("queue")} failed and is tried again`,
  "message.parked": (of) => `A message of ${of("queue")} failed for good: it is a dead letter now`,
  "message.dropped": () => "A message was dropped",
  "queue.replayed": (of) =>
    `${of("by")} put dead letters of ${of("queue")} back to work: ${of("replayed")}`,
  "handler.waiting": (of) => `${of("queue")} waits and goes on by itself`,
  "task.waiting": (of) => `“${of("task")}” waits and goes on by itself`,
  "task.failed": (of) => `“${of("task")}” failed unexpectedly and is tried again`,
  "association.accepted": (of) => `${of("calling_ae_title")} at ${of("peer_address")} connected`,
  "association.ended": (of) =>
    `${of("calling_ae_title")} at ${of("peer_address")} ${
      of("outcome") === "released" ? "is done" : "was cut off"
    }: ${images(of("receipts"))} received${of("refused") === "0" ? "" : `, ${of("refused")} refused`}`,
  "association.rejected": (of) =>
    `${of("calling_ae_title") || "A caller"}${of("peer_address") && ` at ${of("peer_address")}`} was refused`,
  "instance.refused": () => "An image was refused",
  "tls.reloaded": () => "New certificate files are in use",
  "tls.kept": () => "New certificate files can't be used",
  "spool.failed": () => "An image could not be written to the disk",
  "instance.quarantined": () => "A file went into quarantine",
  "instance.missing": (of) => `${images(of("count") || "1")} can't be found on the disk`,
  "quarantine.retried": (of) => `${of("by")} had a file in quarantine tried again`,
  "quarantine.deleted": (of) => `${of("by")} removed a file from quarantine`,
  "spool.swept": () => "Images were taken in that no message had told of",
  "loose-file.taken": () => "A file that was put into the data folder was taken in",
  "identity.conflict": () => "An image came with another patient's ID than its study's",
  "study.complete": (of) => `The study is complete: ${images(of("images"))}`,
  "study.deleted": (of) =>
    `Removed from this disk: ${images(of("images"))}; ${DELETED_FOR[of("why")] ?? of("why")}`,
  "folder.not-empty": () => "The study's folder stays: something of others is in it",
  "folder.restored": (of) => `Put back into the study's folder: ${images(of("images"))}`,
  "folder.unknown-files": () => "A study's folder has files that the router does not know",
  takeover: () => "The data of an earlier version are taken over",
  "data-folder.adopted": (of) => `${of("by")} had the router go on with another data folder`,
  "study.routed": (of) =>
    of("deliveries") === "0"
      ? "The study goes nowhere for now: no destination is meant for it"
      : `The study is to be sent: ${deliveries(of("deliveries"))}`,
  "study.requested": (of) => `Sending the study to ${of("destinations")} was asked for`,
  "bulk.ended": () => "The sending of many studies ended early",
  "study.held": (of) => `${of("by")} held the study`,
  "study.released": (of) => `${of("by")} released the study`,
  "study.discarded": (of) => `${of("by")} deleted the study`,
  "delivery.started": (of) => `${of("destination")}: sending ${images(of("images"))}`,
  "delivery.ended": (of) => `${of("destination")}: ${images(of("images"))} delivered`,
  "delivery.retrying": (of) =>
    `${of("destination")}: attempt ${of("attempt")} failed; it will be tried again`,
  "delivery.failed": (of) => `${of("destination")}: ${images(of("images"))} failed for good`,
  "delivery.left": (of) =>
    `${of("destination")}: a delivery was in hand when the service stopped; it goes on later`,
  "destination.down": (of) => `${of("destination")} is down, ${of("waiting")} waiting`,
  "destination.up": (of) => `${of("destination")} is back, ${of("waiting")} waiting`,
  "destination.configured": (of) =>
    `${of("by")} ${DONE[of("action")] ?? "set"} the destination ${of("destination")}`,
  "route.configured": (of) => `${of("by")} ${DONE[of("action")] ?? "set"} the route ${of("route")}`,
  "destination.none": () => "There is no destination",
  "senders.registered": (of) =>
    `With the first scanner, ${of("first")}, those of the last 30 days were registered: ${of("also") || "none"}`,
  "logs.dropped": (of) => `Lines of the log that found no room: ${of("count")}`,
  "library.warned": (of) => `${of("logger")}: ${of("text")}`,
  "alert.sent": (of) => `An alarm went out: ${of("check")} is ${of("status")}`,
  "request.done": (of) => `${of("who")}: ${of("method")} ${of("path")}`,
  "request.refused": (of) =>
    `${of("who") || "Somebody who is not signed in"}: ${of("method")} ${of("path") || "nowhere"} was answered with ${of("status")}`,
  "request.failed": (of) => `${of("method")} ${of("path")} failed by an error of ours`,
  "access.locked": (of) =>
    `${of("address")} may not sign in for a while: ${of("failures")} failed attempts`,
  "audit.lost": (of) => `The audit trail can't be written for now; waiting: ${of("entries")}`,
};
