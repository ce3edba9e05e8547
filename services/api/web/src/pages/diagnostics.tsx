/** Every check, what is wrong first, each with what to do; and an echo to anybody. */
import type { ComponentChildren } from "preact";
import type { Check } from "../api/client";
import { useDiagnostics } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, GuideLink, Heading, Loaded } from "../ui/basics";
import { sentence, type Tone } from "../words";
import { AdHocEcho } from "./echo";

const TONES: Record<Check["status"], Tone> = { ok: "success", warn: "warning", fail: "danger" };
const GRAVITY: Check["status"][] = ["fail", "warn", "ok"];

/** The page where one deals with what a check is about. */
const CHECK_PLACES: Record<string, string> = {
  attention: "/studies?attention=1",
  "data-folder": "/disk",
  "dead-letters": "/queues",
  destinations: "/destinations",
  destination: "/destinations",
  disk: "/disk",
  failed: "/studies?state=failed",
  held: "/studies?state=held",
  quarantine: "/quarantine",
  unrouted: "/studies?state=unrouted",
  queues: "/queues",
  routes: "/routes",
  sender: "/scanners",
};

/** What a check is about: of `destination:pacs` a destination. */
export function kindOf(check: Check): string {
  return check.id.split(":")[0] ?? "";
}

/** Where one deals with a check. */
export function placeOf(check: Check): string | undefined {
  return CHECK_PLACES[kindOf(check)];
}

/** Commands as they are typed, so that none is broken between two lines. */
const COMMAND =
  /(`[^`]+`|\bnc -vz \S+ \d+|\bgetent hosts \S+|\bdocker compose port \S+ \d+|\btimedatectl set-ntp true|\bpython -m [\w.]+|\bsudo .+$)/;

/** So many characters are on one line of a phone, too. */
const SHORT = 34;

function Told(props: { text: string }) {
  const parts = props.text.split(COMMAND);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 ? (
          <code key={part} class={part.length <= SHORT ? "nowrap" : ""}>
            {part.replaceAll("`", "")}
          </code>
        ) : (
          part
        ),
      )}
    </>
  );
}

export function CheckText(props: { check: Check; children?: ComponentChildren }) {
  const t = useText();
  const format = useFormat();
  const { check } = props;
  return (
    <div>
      <strong>{check.title}</strong>
      <br />
      <Told text={sentence(format.dated(check.detail))} />
      {check.fix && (
        <>
          <br />
          {t.diagnostics.fix}: <Told text={format.dated(check.fix)} />.
        </>
      )}{" "}
      <span class="links">
        {props.children}
        <GuideLink to={check.help} about={check.title} />
      </span>
    </div>
  );
}

export function Diagnostics() {
  const t = useText();
  const checks = useDiagnostics();
  const shown = [...(checks.data ?? [])].sort(
    (a, b) => GRAVITY.indexOf(a.status) - GRAVITY.indexOf(b.status),
  );
  return (
    <>
      <Heading title={t.pages.diagnostics} />
      <Loaded of={checks}>
        <ul class="checks">
          {shown.map((each) => (
            <li key={each.id}>
              <Badge tone={TONES[each.status]}>{t.diagnostics[each.status]}</Badge>
              <CheckText check={each} />
            </li>
          ))}
        </ul>
      </Loaded>
      <AdHocEcho />
    </>
  );
}
