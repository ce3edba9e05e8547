/** Whether the router answers: since when not, if it does not. */
import { Store } from "./store";

/** One answer that went missing is no outage: another follows sooner than this. */
export const GRACE_MS = 3000;

const NOBODY_BEHIND = new Set([502, 503, 504]);

/** Whether an answer is a proxy's that found no router; the router itself says why it can't. */
export function isAway(answer: Pick<Response, "status" | "headers">): boolean {
  const type = answer.headers.get("Content-Type") ?? "";
  return NOBODY_BEHIND.has(answer.status) && !type.startsWith("application/problem+json");
}

export class Connection {
  /** When the router was last heard of while it is away; null while it answers. */
  readonly away = new Store<Date | null>(null);
  private lastHeard = new Date();
  private grace: ReturnType<typeof setTimeout> | undefined;

  heard(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
    this.lastHeard = new Date();
    this.away.set(null);
  }

  lost(): void {
    this.grace ??= setTimeout(() => this.away.set(this.lastHeard), GRACE_MS);
  }
}

export const connection = new Connection();
