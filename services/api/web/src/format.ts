/** Times, sizes and counts as people of the language write them; times are the site's. */

const LOCAL_STAMP = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})$/;
const DICOM_DATE = /^(\d{4})(\d{2})(\d{2})$/;
const ISO_TIME = /\b(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2})\b/g;
const PORTUGUESE_TIME = /\b(\d{2})\/(\d{2})\/(\d{4}) (\d{2}:\d{2})\b/g;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

const made = new Map<string, Intl.DateTimeFormat>();

/** To make one takes longer than to use it a hundred times. */
function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options);
  let found = made.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(locale, options);
    made.set(key, found);
  }
  return found;
}

/** Not broken between two lines. */
function unbroken(text: string): string {
  return text.replaceAll(" ", "\u00a0");
}

function isKnown(zone: string): boolean {
  try {
    return Boolean(formatter("en", { timeZone: zone }));
  } catch {
    return false;
  }
}

export class Format {
  readonly zone: string;

  constructor(
    readonly locale: string,
    zone: string,
  ) {
    this.zone = isKnown(zone) ? zone : Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  /** 14:18 today, 21 Jan 14:18 or 21/01 14:18 on another day, as short as the language has it. */
  time(at: Date | string, now = new Date()): string {
    return this.shown(new Date(at), this.zone, now);
  }

  /** As `time`, of a local stamp such as 20260122_141530. */
  stamp(text: string, now = new Date()): string {
    const part = LOCAL_STAMP.exec(text);
    if (!part) return text;
    const [, year, month, day, hour, minute, second] = part.map(Number);
    const at = new Date(
      Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour ?? 0, minute ?? 0, second ?? 0),
    );
    return this.shown(at, "UTC", this.asUtc(now));
  }

  /** As `time`, with its seconds. */
  second(at: Date | string, now = new Date()): string {
    return this.shown(new Date(at), this.zone, now, { second: "2-digit" });
  }

  /** With its seconds and its day. */
  exact(at: Date | string): string {
    return this.intl({ dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(
      new Date(at),
    );
  }

  /** The clock's time with its seconds. */
  clock(at: Date | string): string {
    return this.intl({ timeStyle: "medium", hourCycle: "h23" }).format(new Date(at));
  }

  /** A DICOM date such as 20260122. */
  date(text: string): string {
    const part = DICOM_DATE.exec(text);
    if (!part) return text;
    const at = new Date(Date.UTC(Number(part[1]), Number(part[2]) - 1, Number(part[3])));
    return unbroken(formatter(this.locale, { dateStyle: "medium", timeZone: "UTC" }).format(at));
  }

  /** When a day such as 2030-01-31 ends at the site. */
  endOfDay(day: string): string {
    const wanted = Date.parse(`${day}T23:59:59Z`);
    let at = wanted;
    // Once more, since the clock may have been changed between the first guess and the time meant.
    for (let guess = 0; guess < 2; guess += 1) {
      at = wanted - (this.asUtc(new Date(at)).getTime() - at);
    }
    return new Date(at).toISOString();
  }

  /** A text of the API's with its times as all others are: 2026-01-22 14:18, 22/01/2026 14:18. */
  dated(text: string, now = new Date()): string {
    const iso = text.replace(PORTUGUESE_TIME, "$3-$2-$1 $4");
    return iso.replace(ISO_TIME, (_, day: string, clock: string) => {
      return this.shown(new Date(`${day}T${clock}:00Z`), "UTC", this.asUtc(now));
    });
  }

  /** Seconds as a person says them: 5 seconds, 90 as 1.5 minutes, 3600 as 1 hour. */
  duration(seconds: number): string {
    const [value, unit] =
      seconds < 60
        ? [seconds, "second"]
        : seconds < 3600
          ? [seconds / 60, "minute"]
          : [seconds / 3600, "hour"];
    const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 } as const;
    return new Intl.NumberFormat(this.locale, options).format(value);
  }

  number(value: number): string {
    return new Intl.NumberFormat(this.locale, { maximumFractionDigits: 1 }).format(value);
  }

  /** How long that many hours are, in a unit that can be grasped. */
  span(hours: number): string {
    const [value, unit] =
      hours < 48
        ? [hours, "hour"]
        : hours < 24 * 730
          ? [hours / 24, "day"]
          : [hours / (24 * 365), "year"];
    const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 } as const;
    return new Intl.NumberFormat(this.locale, options).format(value);
  }

  bytes(value: number): string {
    let unit = 0;
    let shown = value;
    while (shown >= 1024 && unit < UNITS.length - 1) {
      shown /= 1024;
      unit += 1;
    }
    const text = this.number(shown < 100 ? shown : Math.round(shown));
    return `${text}\u00a0${UNITS[unit]}`;
  }

  list(parts: string[]): string {
    return new Intl.ListFormat(this.locale, { type: "conjunction" }).format(parts);
  }

  private shown(at: Date, zone: string, now: Date, more: Intl.DateTimeFormatOptions = {}): string {
    const day = formatter("en-CA", { dateStyle: "short", timeZone: zone });
    const sameDay = day.format(at) === day.format(now);
    const parts: Intl.DateTimeFormatOptions = {
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
      ...more,
    };
    if (!sameDay) {
      const isShort = !this.locale.startsWith("pt"); // Jan, but “de jan.”
      parts.day = isShort ? "numeric" : "2-digit";
      parts.month = isShort ? "short" : "2-digit";
    }
    if (at.getFullYear() !== now.getFullYear()) parts.year = "numeric";
    return unbroken(formatter(this.locale, { ...parts, timeZone: zone }).format(at));
  }

  /** The site's clock as if it were UTC's, to compare with local stamps. */
  private asUtc(at: Date): Date {
    const text = formatter("sv-SE", {
      dateStyle: "short",
      timeStyle: "medium",
      timeZone: this.zone,
    }).format(at);
    return new Date(`${text.replace(" ", "T")}Z`);
  }

  private intl(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    return formatter(this.locale, { ...options, timeZone: this.zone });
  }
}
