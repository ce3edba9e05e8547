/** Whether the router answers: since when not, if it does not. */
import { Store } from "./store";

class Connection {
  /** When the router was last heard of while it is away; null while it answers. */
  readonly away = new Store<Date | null>(null);
  private lastHeard = new Date();

  heard(): void {
    this.lastHeard = new Date();
    this.away.set(null);
  }

  lost(): void {
    if (!this.away.value) this.away.set(this.lastHeard);
  }
}

export const connection = new Connection();
