/** What an address says behind its question mark. */

/** With another value of a name; without one where it is empty. */
export function withValue(before: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(before);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}
