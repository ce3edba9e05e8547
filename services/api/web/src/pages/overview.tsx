/** Is all well? One sentence answers; what is not follows, each with what to do about it. */
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { Check } from "../api/client";
import {
  useDestinations,
  useDiagnostics,
  useDisk,
  useOverview,
  useRefused,
  useSenders,
} from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, GuideLink, Heading, Loaded, Notice } from "../ui/basics";
import { callersToLookAt, fills } from "../words";
import { StateBadge } from "./destinations";
import { CheckText, kindOf, placeOf } from "./diagnostics";

export function Overview() {
  const t = useText();
  return (
    <>
      <Heading title={t.pages.overview} />
      <Verdict />
      <Figures />
      <Findings />
      <WhereTo />
    </>
  );
}

/** What is not well: what fails, what a person should look at, and how many callers were refused. */
function useFindings() {
  const checks = useDiagnostics();
  const refused = useRefused().data?.items ?? [];
  const callers = callersToLookAt(refused, useSenders().data?.items ?? [], new Date()).length;
  const found = checks.data ?? [];
  const wrong = found.filter((each) => each.status === "fail");
  const look = found.filter((each) => each.status === "warn");
  return { checks, wrong, look, callers };
}

/** Checks of what images come in by: while one is not well, nobody is told that they do. */
const RECEPTION = ["data-folder", "disk", "spool", "dicom-port", "dicom-tls"];

function Verdict() {
  const o = useText().overview;
  const { checks, wrong, look, callers } = useFindings();
  const lookAt = look.length + Number(callers > 0);
  const goesOn = !wrong.length && !look.some((each) => RECEPTION.includes(kindOf(each)));
  return (
    <Loaded of={checks}>
      <div aria-live="polite">
        <Notice tone={wrong.length ? "danger" : lookAt ? "warning" : "success"} large>
          <strong class="verdict">
            {wrong.length ? o.wrong(wrong.length) : lookAt ? o.look(lookAt) : o.well}
          </strong>
          {lookAt > 0 && goesOn && ` ${o.goesOn}`}
        </Notice>
      </div>
    </Loaded>
  );
}

function Findings() {
  const { wrong, look, callers } = useFindings();
  return (
    <div class="sentences" aria-live="polite">
      {[...wrong, ...look].map((each) => (
        <Wrong key={each.id} check={each} />
      ))}
      {callers > 0 && <RefusedCallers count={callers} />}
    </div>
  );
}

function Wrong(props: { check: Check }) {
  const t = useText();
  const { check } = props;
  const place = placeOf(check);
  return (
    <Item tone={check.status === "fail" ? "danger" : "warning"}>
      <CheckText check={check}>{place && <Link href={place}>{t.overview.show}</Link>}</CheckText>
    </Item>
  );
}

/** No check tells of these: who was refused need not be a scanner of this hospital. */
function RefusedCallers(props: { count: number }) {
  const t = useText();
  const title = t.overview.refused(props.count);
  return (
    <Item tone="warning">
      <strong>{title}</strong>
      <br />
      {t.diagnostics.fix}: {t.overview.refusedFix(props.count)}{" "}
      <span class="links">
        <Link href="/scanners">{t.overview.show}</Link>
        <GuideLink to="/help#association-rejected" about={title} />
      </span>
    </Item>
  );
}

/** Quieter than the verdict, which is what one reads first. */
function Item(props: { tone: "danger" | "warning"; children: ComponentChildren }) {
  return <div class={`look ${props.tone}`}>{props.children}</div>;
}

/** Each destination in a glance: whether it answers, and what waits for it. */
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
            <span class="quiet">{t.count.waiting(each.waiting)}</span>
          </li>
        ))}
      </ul>
    </section>
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
          note={fills(disk.data, f.hours, f, format)}
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
      {props.to ? <Link href={props.to}>{value}</Link> : value}{" "}
      {props.bad && <Badge tone="danger">!</Badge>}
      {props.note && <small class="quiet">{props.note}</small>}
    </li>
  );
}
