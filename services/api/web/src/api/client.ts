/** The REST API, typed by its OpenAPI document: problems are thrown, what is unchanged costs nothing. */
import createClient from "openapi-fetch";
import { connection, isAway } from "../connection";
import { locale } from "../i18n";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Study = Schemas["Study"];
export type Delivery = Schemas["Delivery"];
export type Destination = Schemas["Destination"];
export type Sender = Schemas["Sender"];
export type Association = Schemas["Association"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type LogEntry = Schemas["LogEntry"];
export type Check = Schemas["Check"];
export type Reason = Schemas["Reason"];
export type EchoResult = Schemas["EchoResult"];
export type QueueStatus = Schemas["QueueStatus"];
export type Role = Schemas["Session"]["role"];

/** An error as the API tells it: one sentence, and the fields that it is about. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly errors: { field: string; message: string }[] = [],
  ) {
    super(detail);
  }
}

const MOST_KEPT = 200;
const kept = new Map<string, { etag: string; body: string }>();

/** As `fetch`; asks only whether a page has changed where the router has given it an ETag. */
async function conditional(request: Request): Promise<Response> {
  // What the router says to people, it says in the language that is shown.
  request.headers.set("Accept-Language", locale.value);
  const key = `${locale.value} ${request.url}`;
  const known = request.method === "GET" ? kept.get(key) : undefined;
  if (known) request.headers.set("If-None-Match", known.etag);
  const answer = await heard(request);
  if (answer.status === 304 && known) {
    return new Response(known.body, { headers: { "Content-Type": "application/json" } });
  }
  const etag = answer.headers.get("ETag");
  if (request.method === "GET" && answer.ok && etag) {
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? "");
    kept.set(key, { etag, body: await answer.clone().text() });
  }
  return answer;
}

async function heard(request: Request): Promise<Response> {
  try {
    const answer = await fetch(request);
    if (isAway(answer)) throw new Error(answer.statusText);
    connection.heard();
    return answer;
  } catch (error) {
    connection.lost();
    throw new Problem(0, error instanceof Error ? error.message : String(error));
  }
}

export const client = createClient<paths>({
  baseUrl: location.origin,
  fetch: conditional,
  querySerializer: { array: { style: "form", explode: true } },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** What was answered, or a `Problem`. */
export async function result<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const told = (error ?? {}) as Partial<Schemas["ProblemDetails"]>;
  throw new Problem(response.status, told.detail ?? response.statusText, told.errors);
}

export type Credentials = { name: string; password: string } | { token: string };

/** Exchange a password or a token for the cookie by which this browser is known from now on. */
export function signIn(credentials: Credentials) {
  return result(client.POST("/api/v1/session", { body: credentials }));
}
