/** Follows the router's events and has what they concern asked for anew. */
import type { QueryClient } from "@tanstack/preact-query";

const EVENTS = [
  "instance-stored",
  "association-released",
  "study-complete",
  "study-forwarded",
  "delivery-failed",
  "destination-down",
  "destination-up",
  "study-deleted",
  "instance-rejected",
] as const;
type EventName = (typeof EVENTS)[number];

/** What an event may have changed, by the first part of the queries' keys. */
const CONCERNS: Record<EventName, readonly string[]> = {
  "instance-stored": ["studies", "study"],
  "association-released": ["studies", "study", "associations", "senders"],
  "study-complete": ["studies", "study", "deliveries", "destinations"],
  "study-forwarded": ["studies", "study", "deliveries", "destinations"],
  "delivery-failed": ["studies", "study", "deliveries", "destinations", "queues", "diagnostics"],
  "destination-down": ["destinations", "diagnostics", "study", "deliveries"],
  "destination-up": ["destinations", "diagnostics", "study", "deliveries"],
  "study-deleted": ["studies", "study"],
  "instance-rejected": ["quarantine", "diagnostics"],
};
const AT_MOST_EVERY_MS = 1000;
const AGAIN_AFTER_MS = 3000;

/** Follow until the function that is returned is called. */
export function follow(queries: QueryClient): () => void {
  const concerned = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource | undefined;
  let missed = false;

  function tell(): void {
    timer = undefined;
    for (const key of concerned) void queries.invalidateQueries({ queryKey: [key] });
    concerned.clear();
  }

  function open(): void {
    source = new EventSource("/api/v1/events/stream");
    source.onopen = () => {
      if (missed) void queries.invalidateQueries();
      missed = false;
    };
    source.onerror = () => {
      missed = true;
      // A browser tries again by itself, but not after an answer that is no stream.
      if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_AFTER_MS);
      void queries.invalidateQueries({ queryKey: ["session"] });
    };
    for (const name of EVENTS) {
      source.addEventListener(name, () => {
        for (const each of CONCERNS[name]) concerned.add(each);
        timer ??= setTimeout(tell, AT_MOST_EVERY_MS);
      });
    }
  }

  open();
  return () => {
    clearTimeout(timer);
    clearTimeout(again);
    source?.close();
  };
}
