/** Who called: when each scanner was heard last, and what came of the last calls. */
import { useEffect, useRef } from "preact/hooks";
import { Link, useSearchParams } from "wouter-preact";
import type { Association, Sender } from "../api/client";
import { useCalls } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, Loaded, More, Scrolled } from "../ui/basics";
import { Choice } from "../ui/fields";
import type { Tone } from "../words";

const TONES: Record<Association["outcome"], Tone> = {
  open: "brand",
  released: "success",
  aborted: "warning",
  lost: "warning",
  rejected: "danger",
};

export function LastCall(props: { of: Sender }) {
  const s = useText().scanners;
  const format = useFormat();
  const { ae_title, last_heard_at } = props.of;
  return (
    <small class="quiet">
      {last_heard_at ? (
        <Link href={`/scanners?${new URLSearchParams({ caller: ae_title })}`}>
          {s.lastHeard(format.time(last_heard_at))}
        </Link>
      ) : (
        s.neverHeard
      )}
    </small>
  );
}

export function Calls(props: { known: Sender[] }) {
  const t = useText();
  const s = t.scanners;
  const [search, setSearch] = useSearchParams();
  const caller = search.get("caller") ?? "";
  const calls = useCalls(caller);
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (caller) section.current?.scrollIntoView();
  }, [caller]);
  const titles = new Set([...props.known.map((each) => each.ae_title), caller].filter(Boolean));
  return (
    <section ref={section}>
      <h2>{s.calls}</h2>
      {titles.size > 0 && (
        <search class="filters">
          <Choice
            label={t.peer.aeTitle}
            placeholder={t.app.all}
            value={caller}
            options={[...titles].map((each) => [each, each] as const)}
            onChange={(value) => setSearch(value ? { caller: value } : {}, { replace: true })}
          />
        </search>
      )}
      <Loaded of={calls}>
        {calls.items.length === 0 ? (
          <p class="quiet">{s.noCalls}</p>
        ) : (
          <Scrolled label={s.calls}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{t.study.when}</th>
                  <th scope="col">{t.peer.aeTitle}</th>
                  <th scope="col">{s.address}</th>
                  <th scope="col">{t.study.outcome}</th>
                  <th scope="col" class="number">
                    {t.studies.images}
                  </th>
                  <th scope="col" class="number">
                    {s.imagesRefused}
                  </th>
                </tr>
              </thead>
              <tbody>
                {calls.items.map((each) => (
                  <Call key={each.association_id} call={each} />
                ))}
              </tbody>
            </table>
          </Scrolled>
        )}
        <More of={calls} />
      </Loaded>
    </section>
  );
}

function Call(props: { call: Association }) {
  const t = useText();
  const format = useFormat();
  const { call } = props;
  const count = (n: number | null) => (n === null ? "" : format.number(n));
  return (
    <tr>
      <td class="nowrap">{format.second(call.opened_at)}</td>
      <td>{call.calling_ae_title || "—"}</td>
      <td>{call.peer_address}</td>
      <td>
        <Badge tone={TONES[call.outcome]}>{t.outcomes[call.outcome]}</Badge>
      </td>
      <td class="number">{count(call.receipts)}</td>
      <td class="number">{count(call.refused)}</td>
    </tr>
  );
}
