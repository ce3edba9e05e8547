/** The log lines of all services as they are written, by service, level, text and study. */
import { useQueryClient } from "@tanstack/preact-query";
import { useEffect } from "preact/hooks";
import { Link, useSearchParams } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { useAsked } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, Heading, Loaded, Scrolled } from "../ui/basics";
import { Choice, Text } from "../ui/fields";
import type { Tone } from "../words";

type Entry = Schemas["LogEntry"];
type Level = Entry["level"];
const LEVELS: Level[] = ["info", "warning", "error", "critical"];
const TONES: Record<Level, Tone> = {
  info: "neutral",
  warning: "warning",
  error: "danger",
  critical: "danger",
};
const SERVICES = ["receiver", "organizer", "forwarder", "api", "router"];
const AT_MOST_EVERY_MS = 1000;

export function Logs() {
  const t = useText();
  const l = t.logs;
  const format = useFormat();
  const [search, setSearch] = useSearchParams();
  const given = (name: string) => search.get(name) ?? "";
  const level = LEVELS.find((each) => each === given("level"));
  const wanted = { level, service: given("service"), q: given("q"), study: given("study") };
  const key = JSON.stringify(wanted);
  const lines = useAsked(["logs", key], () =>
    result(client.GET("/api/v1/logs", { params: { query: { ...wanted, limit: 200 } } })),
  );
  useNewLines(search);

  function put(name: string, value: string): void {
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  }
  return (
    <>
      <Heading title={t.pages.logs} />
      <search class="filters">
        <Text
          type="search"
          label={t.studies.search}
          hint={l.searchHint}
          value={wanted.q}
          onChange={(value) => put("q", value)}
        />
        <Choice
          label={l.service}
          placeholder={t.app.all}
          value={wanted.service}
          options={SERVICES.map((each) => [each, each] as const)}
          onChange={(value) => put("service", value)}
        />
        <Choice
          label={l.level}
          placeholder={t.app.all}
          value={level ?? ""}
          options={LEVELS.map((each) => [each, l.levels[each]] as const)}
          onChange={(value) => put("level", value)}
        />
        <Text label={t.study.uid} value={wanted.study} onChange={(value) => put("study", value)} />
      </search>
      <Loaded of={lines}>
        <Scrolled label={t.pages.logs}>
          <table>
            <thead>
              <tr>
                <th scope="col">{l.time}</th>
                <th scope="col">{l.level}</th>
                <th scope="col">{l.service}</th>
                <th scope="col">{l.event}</th>
                <th scope="col">{l.fields}</th>
              </tr>
            </thead>
            <tbody>
              {(lines.data?.items ?? []).map((each) => (
                <tr key={each.id}>
                  <td class="nowrap">{format.second(each.time)}</td>
                  <td>
                    <Badge tone={TONES[each.level]}>{l.levels[each.level]}</Badge>
                  </td>
                  <td>{each.service}</td>
                  <td>{each.event}</td>
                  <td class="text">
                    <Fields entry={each} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      </Loaded>
    </>
  );
}

function Fields(props: { entry: Entry }) {
  return (
    <>
      {Object.entries(props.entry.fields).map(([name, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return (
          <span key={name} class="field">
            {name}=
            {name === "study_uid" ? (
              <Link href={`/studies/${encodeURIComponent(text)}`}>{text}</Link>
            ) : (
              text
            )}{" "}
          </span>
        );
      })}
    </>
  );
}

/** Has the list asked for anew when the router writes a line that fits. */
function useNewLines(search: URLSearchParams): void {
  const queries = useQueryClient();
  const query = search.toString();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const source = new EventSource(`/api/v1/logs/stream?${query}`);
    source.addEventListener("log", () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ["logs"] });
      }, AT_MOST_EVERY_MS);
    });
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [query, queries]);
}
