/** The log lines of all services as they are written, by service, level, text and study. */
import { useQueryClient } from "@tanstack/preact-query";
import { useEffect } from "preact/hooks";
import { Link, useSearchParams } from "wouter-preact";
import { client, type LogEntry, result } from "../api/client";
import { usePages } from "../api/queries";
import { useText } from "../i18n";
import { withValue } from "../search";
import { useFormat } from "../session";
import { Badge, Dotted, Heading, Loaded, More } from "../ui/basics";
import { Choice, Text } from "../ui/fields";
import { lineText, logFieldName, plainText, type Tone } from "../words";

type Level = LogEntry["level"];
const LEVELS: Level[] = ["info", "warning", "error", "critical"];
const TONES: Record<Level, Tone> = {
  info: "neutral",
  warning: "warning",
  error: "danger",
  critical: "danger",
};
const SERVICES = ["receiver", "organizer", "forwarder", "api", "router"] as const;
const AT_MOST_EVERY_MS = 1000;

export function Logs() {
  const t = useText();
  const l = t.logs;
  const [search, setSearch] = useSearchParams();
  const given = (name: string) => search.get(name) ?? "";
  const level = LEVELS.find((each) => each === given("level"));
  const wanted = { level, service: given("service"), q: given("q"), study: given("study") };
  const key = JSON.stringify(wanted);
  const lines = usePages(["logs", key], (page) =>
    result(client.GET("/api/v1/logs", { params: { query: { ...wanted, ...page } } })),
  );
  useNewLines(search);

  function put(name: string, value: string): void {
    setSearch((before) => withValue(before, name, value), { replace: true });
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
          options={SERVICES.map((each) => [each, l.services[each]] as const)}
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
        {lines.items.length ? (
          <ol class="log" aria-label={t.pages.logs}>
            {lines.items.map((each) => (
              <Line key={each.id} entry={each} />
            ))}
          </ol>
        ) : (
          <p>{l.none}</p>
        )}
        <More of={lines} />
      </Loaded>
    </>
  );
}

/** What happened, in words; what the service wrote is folded away. */
function Line(props: { entry: LogEntry }) {
  const t = useText();
  const format = useFormat();
  const { entry } = props;
  const study = plainText(entry.fields.study_uid);
  return (
    <li>
      <time dateTime={entry.time} title={format.exact(entry.time)}>
        {format.second(entry.time)}
      </time>
      <Badge tone={TONES[entry.level]}>{t.logs.levels[entry.level]}</Badge>
      <div>
        {lineText(entry, t)}
        {study && (
          <>
            {" ("}
            <Link
              class="nowrap"
              href={`/studies/${encodeURIComponent(study)}`}
              aria-label={t.queues.studyOf(study)}
            >
              …{study.slice(-6)}
            </Link>
            )
          </>
        )}
        <details>
          <summary>
            <Dotted parts={[entry.service, entry.event]} />
          </summary>
          <dl>
            {Object.entries(entry.fields).map(([name, value]) => (
              <div key={name}>
                <dt>{logFieldName(name, t)}</dt>
                <dd>{plainText(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      </div>
    </li>
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
