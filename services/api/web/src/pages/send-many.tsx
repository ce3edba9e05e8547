/** A PACS was restored, replaced or added: choose studies, see how many they are, send them. */
import { useMutation, useQuery } from "@tanstack/preact-query";
import { useMemo, useState } from "preact/hooks";
import { useSearchParams } from "wouter-preact";
import { client, result } from "../api/client";
import { useDestinations } from "../api/queries";
import { useText } from "../i18n";
import { useFormat, useMay } from "../session";
import { Action, Failure, Heading, Loaded, Notice } from "../ui/basics";
import { Choice } from "../ui/fields";
import { filtersOf, StudyFilterBar } from "./studies";

const WATCHED_EVERY_MS = 2000;

export function SendMany() {
  const t = useText();
  const m = t.sendMany;
  const format = useFormat();
  const [search] = useSearchParams();
  const destinations = useDestinations();
  const [to, setTo] = useState("");
  const [what, setWhat] = useState("missing");
  const filter = useMemo(() => {
    // The order of a list is of no use here.
    const { sort: _order, limit: _limit, cursor: _cursor, ...rest } = filtersOf(search);
    const none = { q: "", patient_id: "", patient_name: "", modality: "" };
    return { ...none, ...rest, state: rest.state ?? [] };
  }, [search]);
  const body = { filter, destination: to || null, only_missing: what === "missing" };
  const send = (dry_run: boolean) =>
    result(client.POST("/api/v1/deliveries/bulk", { body: { ...body, dry_run } }));
  const counts = useQuery({
    queryKey: ["bulk-counts", JSON.stringify(body)],
    queryFn: () => send(true),
    enabled: useMay()("operator"),
    // To count is on record in the audit trail, so it is done when somebody asks for it.
    refetchOnWindowFocus: false,
  });
  const sending = useMutation({ mutationFn: () => send(false) });
  const id = sending.data && "id" in sending.data ? sending.data.id : null;
  return (
    <>
      <Heading title={t.pages.sendMany} />
      <p class="quiet">{m.explain}</p>
      <StudyFilterBar />
      <div class="filters where">
        <Choice
          label={t.study.destination}
          placeholder={t.study.sendAll}
          value={to}
          options={(destinations.data?.items ?? [])
            .filter((each) => each.enabled)
            .map((each) => [each.name, each.name] as const)}
          onChange={setTo}
        />
        <Choice
          label={t.study.sendWhat}
          value={what}
          options={[
            ["missing", t.study.sendMissing],
            ["everything", t.study.sendEverything],
          ]}
          onChange={setWhat}
        />
      </div>
      <div class="sentences" aria-live="polite">
        {counts.error && <Failure error={counts.error} />}
        {counts.isLoading && <Loaded of={counts}>{null}</Loaded>}
        {counts.data && (
          <Notice tone="brand" large>
            {m.counts(t.count.studies(counts.data.studies), t.count.images(counts.data.instances))}
            {counts.data.not_on_disk > 0 && (
              <small class="quiet">{m.notOnDisk(format.number(counts.data.not_on_disk))}</small>
            )}
          </Notice>
        )}
        {sending.error && <Failure error={sending.error} />}
        {id && <Progress id={id} />}
      </div>
      {!counts.isLoading && (
        <Action
          needs="operator"
          icon="send"
          tone="brand"
          loading={sending.isPending}
          disabled={!counts.data?.studies || Boolean(id)}
          onClick={() => sending.mutate()}
        >
          {m.send(t.count.studies(counts.data?.studies ?? 0))}
        </Action>
      )}
    </>
  );
}

function Progress(props: { id: string }) {
  const t = useText();
  const m = t.sendMany;
  const found = useQuery({
    queryKey: ["bulk", props.id],
    queryFn: () =>
      result(
        client.GET("/api/v1/deliveries/bulk/{bulk_id}", {
          params: { path: { bulk_id: props.id } },
        }),
      ),
    refetchInterval: (query) => (query.state.data?.finished_at ? false : WATCHED_EVERY_MS),
  });
  const bulk = found.data;
  if (!bulk) return null;
  const part = bulk.studies ? (100 * bulk.asked) / bulk.studies : 100;
  return (
    <Notice tone={bulk.finished_at ? "success" : "brand"}>
      {bulk.finished_at
        ? m.finished(t.count.studies(bulk.asked))
        : m.asked(bulk.asked, bulk.studies)}
      <wa-progress-bar value={part} label={m.asked(bulk.asked, bulk.studies)} />
    </Notice>
  );
}
