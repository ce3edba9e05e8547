/** The first steps: add your PACS, add your scanner, send a test image. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { useDestinations, useSenders, useStudies } from "../api/queries";
import { useText } from "../i18n";
import { useHere } from "../session";
import { Action, Badge, Heading } from "../ui/basics";
import { setUpText } from "../words";
import { DestinationDialog } from "./destinations";
import { DestinationEcho, SenderEcho } from "./echo";
import { NOBODY, SenderDialog } from "./scanners";

export function Start() {
  const t = useText();
  const s = t.start;
  const { site } = useHere();
  const destinations = useDestinations();
  const senders = useSenders();
  const studies = useStudies({});
  const [asked, ask] = useState<"destination" | "sender" | null>(null);
  const hasDestination = Boolean(destinations.data?.items.length);
  const hasSender = Boolean(senders.data?.items.length);
  const hasStudy = studies.items.length > 0;
  return (
    <>
      <Heading title={t.pages.start} />
      <ol class="steps">
        <Step title={s.pacs} explain={s.pacsExplain} done={hasDestination}>
          <Action needs="admin" icon="plus" tone="brand" onClick={() => ask("destination")}>
            {t.destinations.add}
          </Action>
          {destinations.data?.items.map((each) => (
            <div key={each.name}>
              <h3>{each.name}</h3>
              <DestinationEcho name={each.name} />
            </div>
          ))}
        </Step>
        <Step title={s.scanner} explain={s.scannerExplain} done={hasSender}>
          <Action needs="admin" icon="plus" tone="brand" onClick={() => ask("sender")}>
            {t.scanners.add}
          </Action>
          {senders.data?.items
            .filter((each) => each.host && each.port)
            .map((each) => (
              <div key={each.name}>
                <h3>{each.name}</h3>
                <SenderEcho sender={each} />
              </div>
            ))}
        </Step>
        <Step title={s.image} explain={`${setUpText(site, t)} ${s.imageExplain}`} done={hasStudy}>
          <Link href="/studies">{t.pages.studies}</Link>
        </Step>
      </ol>
      {asked === "destination" && (
        <DestinationDialog destination={null} onClose={() => ask(null)} />
      )}
      {asked === "sender" && <SenderDialog draft={NOBODY} onClose={() => ask(null)} />}
    </>
  );
}

function Step(props: {
  title: string;
  explain: string;
  done: boolean;
  children: preact.ComponentChildren;
}) {
  const t = useText();
  return (
    <li>
      <h2>
        {props.title} {props.done && <Badge tone="success">{t.start.done}</Badge>}
      </h2>
      <p>{props.explain}</p>
      {props.children}
    </li>
  );
}
