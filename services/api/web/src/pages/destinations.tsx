/** Where studies go: each with its state, an echo, and its settings. */
import { useState } from "preact/hooks";
import { client, type Destination, result } from "../api/client";
import { useDestinations, useDiagnostics } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Action, Badge, Dotted, Heading, Loaded } from "../ui/basics";
import { Dialog } from "../ui/dialogs";
import { Check, Text } from "../ui/fields";
import { reasonText } from "../words";
import { DestinationEcho } from "./echo";

export function Destinations() {
  const t = useText();
  const found = useDestinations();
  const [editing, edit] = useState<Destination | "new" | null>(null);
  const [removing, remove] = useState<Destination | null>(null);
  const shown = found.data?.items ?? [];
  return (
    <>
      <Heading title={t.pages.destinations} help="/help#destination">
        <Action needs="admin" icon="plus" tone="brand" onClick={() => edit("new")}>
          {t.app.add}
        </Action>
      </Heading>
      <Loaded of={found}>
        {shown.length === 0 && <p>{t.destinations.none}</p>}
        <div class="cards">
          {shown.map((each) => (
            <DestinationCard
              key={each.name}
              destination={each}
              onEdit={() => edit(each)}
              onRemove={() => remove(each)}
            />
          ))}
        </div>
      </Loaded>
      {editing && (
        <DestinationDialog
          destination={editing === "new" ? null : editing}
          onClose={() => edit(null)}
        />
      )}
      {removing && <RemoveDialog destination={removing} onClose={() => remove(null)} />}
    </>
  );
}

function DestinationCard(props: {
  destination: Destination;
  onEdit: () => void;
  onRemove: () => void;
}) {
  const t = useText();
  const d = t.destinations;
  const format = useFormat();
  const { destination } = props;
  return (
    <wa-card>
      <div class="form">
        <h2>
          {destination.name} <StateBadge destination={destination} />
        </h2>
        <p>
          <Dotted
            parts={[
              destination.ae_title,
              `${destination.host}:${destination.port}`,
              destination.tls && "TLS",
            ]}
          />
          <small class="quiet">{t.count.waiting(destination.waiting)}</small>
        </p>
        {destination.down && (
          <p>
            {d.downSince(
              format.time(destination.down.since),
              reasonText(destination.down.reason, t),
              format.time(destination.down.next_probe_at),
            )}
            <small class="quiet">{destination.down.reason.text}</small>
          </p>
        )}
        {destination.managed_by && <p class="quiet">{d.managed(destination.managed_by)}</p>}
        <DestinationEcho name={destination.name} />
        <div class="actions">
          <Action needs="admin" disabled={Boolean(destination.managed_by)} onClick={props.onEdit}>
            {t.app.edit}
          </Action>
          <Action
            needs="admin"
            tone="danger"
            disabled={Boolean(destination.managed_by)}
            onClick={props.onRemove}
          >
            {t.app.remove}
          </Action>
        </div>
      </div>
    </wa-card>
  );
}

export function StateBadge(props: { destination: Destination }) {
  const d = useText().destinations;
  const { name, enabled, paused, down } = props.destination;
  const checks = useDiagnostics().data ?? [];
  const echo = checks.find((each) => each.id === `destination:${name}`);
  if (!enabled) return <Badge tone="neutral">{d.disabled}</Badge>;
  if (paused) return <Badge tone="warning">{d.paused}</Badge>;
  if (down) return <Badge tone="danger">{d.down}</Badge>;
  if (echo && echo.status !== "ok") return <Badge tone="warning">{d.silent}</Badge>;
  return <Badge tone="success">{d.up}</Badge>;
}

export function DestinationDialog(props: { destination: Destination | null; onClose: () => void }) {
  const t = useText();
  const d = t.destinations;
  const before = props.destination;
  const [name, setName] = useState(before?.name ?? "");
  const [host, setHost] = useState(before?.host ?? "");
  const [port, setPort] = useState(String(before?.port ?? 104));
  const [title, setTitle] = useState(before?.ae_title ?? "");
  const [calling, setCalling] = useState(before?.calling_ae_title ?? "");
  const [enabled, setEnabled] = useState(before?.enabled ?? true);
  const [paused, setPaused] = useState(before?.paused ?? false);
  const [tls, setTls] = useState(before?.tls ?? false);
  const body = {
    // What this form does not show stays as it is.
    ...before,
    name,
    kind: "dimse" as const,
    host,
    port: Number(port),
    ae_title: title,
    calling_ae_title: calling,
    enabled,
    paused,
    tls,
  };
  return (
    <Dialog
      title={before ? `${t.app.edit}: ${before.name}` : d.add}
      button={t.app.save}
      ready={Boolean(name && host && port && title)}
      run={() =>
        before
          ? result(client.PUT("/api/v1/destinations/{name}", { params: { path: { name } }, body }))
          : result(client.POST("/api/v1/destinations", { body }))
      }
      onClose={props.onClose}
    >
      {!before && (
        <Text
          label={t.peer.name}
          hint={t.peer.nameHint}
          value={name}
          onChange={setName}
          required
          autofocus
        />
      )}
      <Text label={t.peer.host} value={host} onChange={setHost} required />
      <Text label={t.peer.port} type="number" value={port} onChange={setPort} required />
      <Text label={t.peer.aeTitle} value={title} onChange={setTitle} required maxlength={16} />
      <Text
        label={d.calling}
        hint={d.callingHint}
        value={calling}
        onChange={setCalling}
        maxlength={16}
      />
      <Check label={d.enabled} hint={d.enabledHint} value={enabled} onChange={setEnabled} />
      <Check label={d.pause} hint={d.pauseHint} value={paused} onChange={setPaused} />
      <Check label={t.peer.tls} value={tls} onChange={setTls} />
    </Dialog>
  );
}

function RemoveDialog(props: { destination: Destination; onClose: () => void }) {
  const t = useText();
  const d = t.destinations;
  const { name, waiting } = props.destination;
  const [discard, setDiscard] = useState(false);
  return (
    <Dialog
      title={`${t.app.remove}: ${name}`}
      button={t.app.remove}
      danger
      ready={waiting === 0 || discard}
      run={() =>
        result(
          client.DELETE("/api/v1/destinations/{name}", {
            params: { path: { name }, query: discard ? { waiting: "discard" } : {} },
          }),
        )
      }
      onClose={props.onClose}
    >
      <p>{d.removeExplain}</p>
      {waiting > 0 && (
        <Check label={d.discard(String(waiting))} value={discard} onChange={setDiscard} />
      )}
    </Dialog>
  );
}
