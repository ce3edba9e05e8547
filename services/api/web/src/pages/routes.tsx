/** Which studies go where: the routes in their order, and a try-out that changes nothing. */
import { useMutation } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { useAsked, useDestinations } from "../api/queries";
import { useText } from "../i18n";
import { CONDITIONS, type Condition, conditionTexts, listOf, type Route } from "../routing";
import { Action, Badge, Failure, Heading, Loaded, Notice } from "../ui/basics";
import { Dialog } from "../ui/dialogs";
import { Check, Text } from "../ui/fields";
import { TryDraft } from "./routes-draft";

export type Draft = Schemas["NewRoute"];

export function Routes() {
  const t = useText();
  const r = t.routes;
  const found = useAsked(["routes"], () =>
    result(client.GET("/api/v1/routes", { params: { query: { limit: 500 } } })),
  );
  const [editing, edit] = useState<Route | "new" | null>(null);
  const [removing, remove] = useState<Route | null>(null);
  const shown = found.data?.items ?? [];
  return (
    <>
      <Heading title={t.pages.routes} help="/help#routes">
        <Action needs="admin" icon="plus" tone="brand" onClick={() => edit("new")}>
          {t.app.add}
        </Action>
      </Heading>
      <Loaded of={found}>
        <p>{shown.some((each) => each.enabled) ? r.some : r.none}</p>
        <ol class="checks">
          {shown.map((each) => (
            <RouteItem
              key={each.name}
              route={each}
              onEdit={() => edit(each)}
              onRemove={() => remove(each)}
            />
          ))}
        </ol>
      </Loaded>
      <TryOut />
      {editing && (
        <RouteDialog route={editing === "new" ? null : editing} onClose={() => edit(null)} />
      )}
      {removing && (
        <Dialog
          title={`${t.app.remove}: ${removing.name}`}
          button={t.app.remove}
          danger
          run={() =>
            result(
              client.DELETE("/api/v1/routes/{name}", {
                params: { path: { name: removing.name } },
              }),
            )
          }
          onClose={() => remove(null)}
        >
          <p>{r.removeExplain}</p>
        </Dialog>
      )}
    </>
  );
}

function RouteItem(props: { route: Route; onEdit: () => void; onRemove: () => void }) {
  const t = useText();
  const r = t.routes;
  const { route } = props;
  const conditions = conditionTexts(route, t);
  return (
    <li>
      <span class="quiet">
        {r.order} {route.order}
      </span>
      <div class="form">
        <div>
          <strong>{route.name}</strong>{" "}
          {!route.enabled && <Badge tone="neutral">{r.disabled}</Badge>}{" "}
          {route.last && <Badge tone="brand">{r.last}</Badge>}
          <br />
          {conditions.length ? conditions.join("; ") : r.every} → {route.destinations.join(", ")}
        </div>
        {route.missing.length > 0 && (
          <Notice tone="warning">
            {r.missing(route.missing.join(", "))} <Link href="/destinations">{r.look}</Link>
          </Notice>
        )}
        <div class="actions">
          <Action needs="admin" onClick={props.onEdit}>
            {t.app.edit}
          </Action>
          <Action needs="admin" tone="danger" onClick={props.onRemove}>
            {t.app.remove}
          </Action>
        </div>
      </div>
    </li>
  );
}

const NEW: Draft = {
  name: "",
  enabled: true,
  order: 100,
  last: false,
  modalities: [],
  calling_ae_titles: [],
  called_ae_titles: [],
  patient_ids: [],
  study_descriptions: [],
  destinations: [],
};

function RouteDialog(props: { route: Route | null; onClose: () => void }) {
  const t = useText();
  const r = t.routes;
  const before = props.route;
  const destinations = useDestinations();
  const from: Draft = before ?? NEW;
  const [name, setName] = useState(from.name);
  const [order, setOrder] = useState(String(from.order));
  const [enabled, setEnabled] = useState(from.enabled);
  const [last, setLast] = useState(from.last);
  const [to, setTo] = useState(from.destinations);
  const [texts, setTexts] = useState(
    Object.fromEntries(CONDITIONS.map((each) => [each, from[each].join(", ")])) as Record<
      Condition,
      string
    >,
  );
  const draft: Draft = {
    name,
    enabled,
    order: Number(order),
    last,
    modalities: listOf(texts.modalities.toUpperCase()),
    calling_ae_titles: listOf(texts.calling_ae_titles),
    called_ae_titles: listOf(texts.called_ae_titles),
    patient_ids: listOf(texts.patient_ids),
    study_descriptions: listOf(texts.study_descriptions),
    destinations: to,
  };
  const isReady = Boolean(name && to.length);
  const known = (destinations.data?.items ?? []).map((each) => each.name);
  const choices = [...known, ...to.filter((each) => !known.includes(each))];
  return (
    <Dialog
      title={before ? `${t.app.edit}: ${before.name}` : r.add}
      button={t.app.save}
      ready={isReady}
      run={() =>
        before
          ? result(client.PUT("/api/v1/routes/{name}", { params: { path: { name } }, body: draft }))
          : result(client.POST("/api/v1/routes", { body: draft }))
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
      <p class="quiet">
        {r.conditionsExplain} {r.patternHint}
      </p>
      {CONDITIONS.map((each) => (
        <Text
          key={each}
          label={r.conditions[each]}
          hint={each === "modalities" ? r.modalitiesHint : ""}
          value={texts[each]}
          onChange={(value) => setTexts({ ...texts, [each]: value })}
        />
      ))}
      <fieldset class="form">
        <legend>{t.pages.destinations}</legend>
        {choices.map((each) => (
          <Check
            key={each}
            label={each}
            value={to.includes(each)}
            onChange={(on) => setTo(on ? [...to, each] : to.filter((other) => other !== each))}
          />
        ))}
      </fieldset>
      <Text label={r.order} hint={r.orderHint} type="number" value={order} onChange={setOrder} />
      <Check label={r.lastOne} hint={r.lastHint} value={last} onChange={setLast} />
      <Check label={r.enabled} hint={r.enabledHint} value={enabled} onChange={setEnabled} />
      <TryDraft draft={draft} ready={isReady} />
    </Dialog>
  );
}

/** Where a study like this one would go, with what each route says to it. */
function TryOut() {
  const t = useText();
  const r = t.routes;
  const [modality, setModality] = useState("CT");
  const [calling, setCalling] = useState("");
  const [called, setCalled] = useState("");
  const [patient, setPatient] = useState("");
  const [description, setDescription] = useState("");
  const asking = useMutation({
    mutationFn: () =>
      result(
        client.POST("/api/v1/routes/test", {
          body: {
            modalities: listOf(modality.toUpperCase()),
            calling_ae_titles: listOf(calling),
            called_ae_titles: listOf(called),
            patient_id: patient,
            study_description: description,
          },
        }),
      ),
  });
  return (
    <section>
      <h2>{r.tryOut}</h2>
      <p class="quiet">{r.tryExplain}</p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          asking.mutate();
        }}
      >
        <Text label={r.conditions.modalities} value={modality} onChange={setModality} />
        <Text label={r.conditions.calling_ae_titles} value={calling} onChange={setCalling} />
        <Text label={r.conditions.called_ae_titles} value={called} onChange={setCalled} />
        <Text label={t.study.patientId} value={patient} onChange={setPatient} />
        <Text label={t.studies.description} value={description} onChange={setDescription} />
        <wa-button type="submit" size="s" variant="brand" loading={asking.isPending}>
          {r.tryOut}
        </wa-button>
      </form>
      <div class="sentences" aria-live="polite">
        {asking.error && <Failure error={asking.error} />}
        {asking.data && <Verdict told={asking.data} />}
      </div>
    </section>
  );
}

export function Verdict(props: { told: Schemas["RouteTestResult"] }) {
  const t = useText();
  const r = t.routes;
  const { told } = props;
  return (
    <>
      <Notice tone={told.destinations.length ? "success" : "warning"} large>
        {told.destinations.length ? r.goes(told.destinations.join(", ")) : r.goesNowhere}
        {told.missing.length > 0 && <small>{r.missing(told.missing.join(", "))}</small>}
      </Notice>
      {told.routes.length > 0 && (
        <ul class="plain">
          {told.routes.map((each) => (
            <li key={each.name}>
              <Badge tone={each.applies ? "success" : "neutral"}>
                {each.applies ? r.applies : r.appliesNot}
              </Badge>{" "}
              {each.name}
              {each.why_not.length > 0 && <span class="quiet"> — {each.why_not.join("; ")}</span>}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
