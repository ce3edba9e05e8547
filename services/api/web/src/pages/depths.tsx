/** How deep the queues were in the last hours. */
import type { ComponentType } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { client, result } from "../api/client";
import { useAsked } from "../api/queries";
import { chartOf, type Chart as Lines, peaks } from "../depths";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Loaded } from "../ui/basics";

type Drawn = ComponentType<{ lines: Lines; label: string }>;

/** `isBusy`: the queues hold something now, which the samples may not have seen yet. */
export function Depths(props: { isBusy: boolean }) {
  const t = useText();
  const q = t.queues;
  const format = useFormat();
  const found = useAsked(
    ["queues", "history"],
    () => result(client.GET("/api/v1/queues/history")),
    30_000,
  );
  const history = found.data;
  const lines = useMemo(() => (history ? chartOf(history) : null), [history]);
  const Chart = useChart();
  const first = history?.samples[0];
  return (
    <section>
      <h2>{q.depth}</h2>
      <Loaded of={found}>
        {first && <p class="quiet">{q.depthExplain(format.time(first.at))}</p>}
        {history && lines?.names.length === 0 && (
          <p>
            {first && !props.isBusy
              ? q.depthNone
              : q.depthSoon(format.duration(history.every_seconds))}
          </p>
        )}
        {history && lines && lines.names.length > 0 && (
          <>
            {Chart && <Chart lines={lines} label={q.depth} />}
            <ul class="plain">
              {peaks(history).map((each) => (
                <li key={each.name}>
                  {q.depthMost(each.name, format.number(each.most), format.time(each.at))}
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </section>
  );
}

/** What draws is loaded when there is something to draw; without it the sentences are there. */
function useChart(): Drawn | null {
  const [drawn, setDrawn] = useState<{ by: Drawn } | null>(null);
  useEffect(() => {
    import("../ui/chart").then(
      (loaded) => setDrawn({ by: loaded.default }),
      (error: unknown) => console.warn("The chart can't be loaded.", error),
    );
  }, []);
  return drawn?.by ?? null;
}
