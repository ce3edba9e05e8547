/** Who may send: known scanners, and those who were refused, one click from being admitted. */
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { type Association, client, result, type Sender } from "../api/client";
import { useRefused, useSenders } from "../api/queries";
import { useText } from "../i18n";
import { useFormat, useHere } from "../session";
import { Action, GuideLink, Heading, Loaded, Scrolled } from "../ui/basics";
import { Dialog } from "../ui/dialogs";
import { Text } from "../ui/fields";
import { say } from "../ui/toast";
import { capital, freeName, mayBeAdmitted, refusedCallers, sentence, setUpText } from "../words";
import { Calls, LastCall } from "./calls";
import { SenderEcho } from "./echo";

interface Draft {
  isNew: boolean;
  name: string;
  ae_title: string;
  addresses: string[];
  host: string;
  port: number | null;
  settle_seconds: number | null;
}

const NOBODY: Draft = {
  isNew: true,
  name: "",
  ae_title: "",
  addresses: [],
  host: "",
  port: null,
  settle_seconds: null,
};

export function Scanners() {
  const t = useText();
  const s = t.scanners;
  const { site } = useHere();
  const format = useFormat();
  const found = useSenders();
  const [draft, setDraft] = useState<Draft | null>(null);
  const [removing, remove] = useState<Sender | null>(null);
  const shown = found.data?.items ?? [];
  return (
    <>
      <Heading title={t.pages.scanners} help="/help#association-rejected">
        <Action needs="admin" icon="plus" tone="brand" onClick={() => setDraft(NOBODY)}>
          {t.app.add}
        </Action>
      </Heading>
      <p>{setUpText(site, t)}</p>
      <Refused known={shown} />
      <Loaded of={found}>
        {shown.length > 0 && <h2>{s.known}</h2>}
        <p class="quiet">{shown.length ? s.onlyKnown : s.none}</p>
        <div class="cards">
          {shown.map((each) => (
            <wa-card key={each.name}>
              <div class="form">
                <h3>{each.name}</h3>
                <p>
                  {each.ae_title}
                  <small class="quiet">
                    {each.addresses.length ? s.from(each.addresses.join(", ")) : s.anywhere}
                  </small>
                  {each.settle_seconds !== null && (
                    <small class="quiet">{s.settleOwn(format.duration(each.settle_seconds))}</small>
                  )}
                  <LastCall of={each} />
                  {!(each.host && each.port) && <small class="quiet">{s.noEcho}</small>}
                </p>
                <SenderEcho sender={each} />
                <div class="actions">
                  <Action needs="admin" onClick={() => setDraft({ ...each, isNew: false })}>
                    {t.app.edit}
                  </Action>
                  <Action needs="admin" tone="danger" onClick={() => remove(each)}>
                    {t.app.remove}
                  </Action>
                </div>
              </div>
            </wa-card>
          ))}
        </div>
      </Loaded>
      <Calls known={shown} />
      {draft && <SenderDialog draft={draft} onClose={() => setDraft(null)} />}
      {removing && (
        <Dialog
          title={`${t.app.remove}: ${removing.name}`}
          button={t.app.remove}
          danger
          run={() =>
            result(
              client.DELETE("/api/v1/senders/{name}", {
                params: { path: { name: removing.name } },
              }),
            )
          }
          onClose={() => remove(null)}
        >
          <p>{s.removeExplain}</p>
        </Dialog>
      )}
    </>
  );
}

/** Admit a caller from where it called: as one more address of a scanner that bears its AE title. */
function admit(from: Association, known: Sender[]): Promise<unknown> {
  const { calling_ae_title: ae_title, peer_address: address } = from;
  const same = known.find((each) => each.ae_title === ae_title);
  if (same) {
    const body = { ...same, addresses: [...same.addresses, address] };
    const path = { name: same.name };
    return result(client.PUT("/api/v1/senders/{name}", { params: { path }, body }));
  }
  const name = freeName(
    ae_title,
    known.map((each) => each.name),
  );
  const body = { name, ae_title, addresses: [address], host: "" };
  return result(client.POST("/api/v1/senders", { body }));
}

function Admit(props: { caller: Association; known: Sender[] }) {
  const s = useText().scanners;
  const queries = useQueryClient();
  const { caller, known } = props;
  const work = useMutation({
    mutationFn: () => admit(caller, known),
    onSuccess: () => {
      say(s.admitted(caller.calling_ae_title, caller.peer_address));
      void queries.invalidateQueries();
    },
    onError: (error) => say(error.message, "danger"),
  });
  return (
    <Action needs="admin" tone="brand" loading={work.isPending} onClick={() => work.mutate()}>
      {s.admit}
    </Action>
  );
}

function Refused(props: { known: Sender[] }) {
  const t = useText();
  const s = t.scanners;
  const format = useFormat();
  const refused = useRefused();
  const callers = refusedCallers(refused.data?.items ?? [], props.known);
  if (!callers.length) return null;
  return (
    <section>
      <h2>{s.refused}</h2>
      <Scrolled label={s.refused}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t.peer.aeTitle}</th>
              <th scope="col">{s.address}</th>
              <th scope="col">{s.last}</th>
              <th scope="col">{t.study.why}</th>
              <th scope="col">
                <span class="wa-visually-hidden">{s.admit}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {callers.map((each) => (
              <tr key={each.association_id}>
                <td>{each.calling_ae_title || "—"}</td>
                <td>{each.peer_address}</td>
                <td class="nowrap">{format.time(each.opened_at)}</td>
                <td class="text">
                  {each.reason && sentence(capital(each.reason))}
                  <br />
                  {each.fix}.
                  {each.help && (
                    <>
                      {" "}
                      <GuideLink to={each.help} about={each.calling_ae_title} />
                    </>
                  )}
                </td>
                <td>{mayBeAdmitted(each) && <Admit caller={each} known={props.known} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolled>
    </section>
  );
}

export function SenderDialog(props: { draft: Draft; onClose: () => void }) {
  const t = useText();
  const s = t.scanners;
  const { draft } = props;
  const [name, setName] = useState(draft.name);
  const [title, setTitle] = useState(draft.ae_title);
  const [addresses, setAddresses] = useState(draft.addresses.join(", "));
  const [host, setHost] = useState(draft.host);
  const [port, setPort] = useState(draft.port === null ? "" : String(draft.port));
  const [settle, setSettle] = useState(
    draft.settle_seconds === null ? "" : String(draft.settle_seconds),
  );
  const body = {
    name,
    ae_title: title,
    addresses: addresses.split(/[\s,]+/).filter(Boolean),
    host,
    port: port ? Number(port) : null,
    settle_seconds: settle ? Number(settle) : null,
  };
  return (
    <Dialog
      title={draft.isNew ? s.add : `${t.app.edit}: ${draft.name}`}
      button={t.app.save}
      ready={Boolean(name && title)}
      run={() =>
        draft.isNew
          ? result(client.POST("/api/v1/senders", { body }))
          : result(client.PUT("/api/v1/senders/{name}", { params: { path: { name } }, body }))
      }
      onClose={props.onClose}
    >
      {draft.isNew && (
        <Text
          label={t.peer.name}
          hint={t.peer.nameHint}
          value={name}
          onChange={setName}
          required
          autofocus
        />
      )}
      <Text label={t.peer.aeTitle} value={title} onChange={setTitle} required maxlength={16} />
      <Text label={s.addresses} hint={s.addressesHint} value={addresses} onChange={setAddresses} />
      <Text label={t.peer.host} hint={s.hostHint} value={host} onChange={setHost} />
      <Text label={t.peer.port} type="number" value={port} onChange={setPort} />
      <Text
        label={s.settle}
        hint={s.settleHint}
        type="number"
        value={settle}
        onChange={setSettle}
      />
    </Dialog>
  );
}

export { NOBODY };
