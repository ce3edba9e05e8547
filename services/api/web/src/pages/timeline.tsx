/** The custody of a study: from the association that brought it to each destination, with proof. */
import { Link } from "wouter-preact";
import type { Study } from "../api/client";
import { useTimeline } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Loaded, Scrolled } from "../ui/basics";
import { detailText, entryText } from "../words";

/** Of these our words say all that the router's do. */
const TOLD = new Set(["received", "organized", "delivery-started", "held", "released"]);

export function Timeline(props: { uid: string }) {
  const t = useText();
  const format = useFormat();
  const entries = useTimeline(props.uid);
  return (
    <section>
      <h2>{t.study.timeline}</h2>
      <Loaded of={entries}>
        <ol class="timeline">
          {(entries.data ?? []).map((entry, number) => {
            const said = entryText(entry, t);
            return (
              <li key={`${number} ${entry.at}`} class={entry.event}>
                <time dateTime={entry.at} title={format.exact(entry.at)}>
                  {format.second(entry.at)}
                </time>
                <div>
                  {said}
                  {!TOLD.has(entry.event) && entry.detail !== said && (
                    <small class="quiet">{detailText(entry)}</small>
                  )}
                </div>
              </li>
            );
          })}
        </ol>
      </Loaded>
      <p>
        <Link href={`/logs?${new URLSearchParams({ study: props.uid })}`}>{t.study.logs}</Link>
      </p>
    </section>
  );
}

interface Proof {
  rule: "settled" | "idle";
  quiet_seconds: number;
  association_count: number;
  revision?: number;
  decided_at?: string;
  associations: {
    association_id: string;
    calling_ae_title: string;
    outcome: string;
    receipts: number;
  }[];
}

/** By which evidence the study was taken for complete. */
export function Evidence(props: { study: Study }) {
  const t = useText();
  const format = useFormat();
  const proof = props.study.completeness as Proof | null;
  if (!proof?.rule) return null;
  const says = t.study.evidenceRule[proof.rule];
  // As the timeline has it.
  const quiet = `${format.number(Math.round(proof.quiet_seconds))}\u00a0s`;
  return (
    <section>
      <h2>{t.study.evidence}</h2>
      <p>{says?.(proof.association_count, quiet)}</p>
      {proof.decided_at && (proof.revision ?? 1) > 1 && (
        <p class="quiet">
          {t.study.evidenceOf(proof.revision ?? 1, format.time(proof.decided_at))}
        </p>
      )}
      <Scrolled label={t.study.evidence}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t.study.association}</th>
              <th scope="col" class="number">
                {t.studies.images}
              </th>
              <th scope="col">{t.study.outcome}</th>
            </tr>
          </thead>
          <tbody>
            {(proof.associations ?? []).map((each) => (
              <tr key={each.association_id}>
                <td>
                  {each.calling_ae_title} <small class="quiet">{each.association_id}</small>
                </td>
                <td class="number">{each.receipts}</td>
                <td>{t.outcomes[each.outcome as keyof typeof t.outcomes] ?? each.outcome}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolled>
    </section>
  );
}
