/** Is all well? What is not comes first, each with what to do about it. */
import { Link } from "wouter-preact";
import type { Check } from "../api/client";
import { useDestinations, useDiagnostics, useDisk, useOverview } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, Heading, Loaded, Notice } from "../ui/basics";
import { StateBadge } from "./destinations";
import { CheckText, placeOf } from "./diagnostics";

export function Overview() {
  const t = useText();
  const checks = useDiagnostics();
  const wrong = (checks.data ?? []).filter((each) => each.status !== "ok");
  return (
    <>
      <Heading title={t.pages.overview} />
      <Loaded of={checks}>
        <div class="sentences" aria-live="polite">
          {wrong.length === 0 ? (
            <Notice tone="success" large>
              {t.overview.well}
            </Notice>
          ) : (
            wrong.map((each) => <Wrong key={each.id} check={each} />)
          )}
        </div>
      </Loaded>
      <Figures />
      <WhereTo />
    </>
  );
}

/** Each destination in a glance: whether it takes images, and what waits for it. */
function WhereTo() {
  const t = useText();
  const found = useDestinations();
  const shown = found.data?.items ?? [];
  if (!shown.length) return null;
  return (
    <section>
      <h2>{t.pages.destinations}</h2>
      <ul class="figures">
        {shown.map((each) => (
          <li key={each.name}>
            <Link href="/destinations">{each.name}</Link> <StateBadge destination={each} />
            <span class="quiet">{t.count.deliveries(each.waiting)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Wrong(props: { check: Check }) {
  const t = useText();
  const { check } = props;
  const place = placeOf(check);
  return (
    <Notice tone={check.status === "fail" ? "danger" : "warning"}>
      <CheckText check={check}>{place && <Link href={place}>{t.overview.show}</Link>}</CheckText>
    </Notice>
  );
}

function Figures() {
  const t = useText();
  const f = t.overview;
  const format = useFormat();
  const overview = useOverview();
  const disk = useDisk();
  const shown = overview.data;
  if (!shown) return <Loaded of={overview}>{null}</Loaded>;
  const hours = disk.data?.hours_to_full;
  return (
    <ul class="figures">
      <Figure name={f.imagesPerMinute} value={format.number(shown.images_last_minute)} />
      <Figure name={f.studiesToday} value={format.number(shown.studies_today)} to="/studies" />
      <Figure name={f.waiting} value={format.number(shown.waiting)} to="/queues" />
      <Figure
        name={f.failed}
        value={format.number(shown.studies.failed ?? 0)}
        bad={(shown.studies.failed ?? 0) > 0}
        to="/studies?state=failed"
      />
      <Figure
        name={f.attention}
        value={format.number(shown.needs_attention)}
        bad={shown.needs_attention > 0}
        to="/studies?attention=1"
      />
      {disk.data && (
        <Figure
          name={f.disk}
          value={format.bytes(disk.data.free_bytes)}
          bad={disk.data.refusing}
          to="/disk"
          note={typeof hours === "number" ? f.hours(format.span(hours)) : f.notFilling}
        />
      )}
    </ul>
  );
}

function Figure(props: { name: string; value: string; to?: string; bad?: boolean; note?: string }) {
  const value = <strong class="value">{props.value}</strong>;
  return (
    <li>
      <span class="quiet">{props.name}</span>
      {props.to ? <Link href={props.to}>{value}</Link> : value}
      {props.bad && <Badge tone="danger">!</Badge>}
      {props.note && <small class="quiet">{props.note}</small>}
    </li>
  );
}
