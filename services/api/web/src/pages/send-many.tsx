/** A PACS was restored, replaced or added: choose studies, see how many they are, send them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/preact-query";
import { useMemo, useState } from "preact/hooks";
import { useSearchParams } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { useDestinations } from "../api/queries";
import { useText } from "../i18n";
import { withValue } from "../search";
import { useFormat, useMay } from "../session";
import { Action, Failure, Heading, Loaded, Notice } from "../ui/basics";
import { Choice } from "../ui/fields";
import { say } from "../ui/toast";
import { filtersOf, StudyFilterBar } from "./studies";

type Bulk = Schemas["BulkProgress"];

const WATCHED_EVERY_MS = 2000;

export function SendMany() {
  const t = useText();
  const m = t.sendMany;
  const format = useFormat();
  const [search, setSearch] = useSearchParams();
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
  const id = search.get("bulk") ?? "";
  const bulk = useBulk(id);
  const sending = useMutation({
    mutationFn: () => send(false),
    onSuccess: (accepted) =>
      // In the address, so that to load the page anew shows it still.
      "id" in accepted && setSearch((before) => withValue(before, "bulk", accepted.id)),
  });
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
            {body.only_missing && <small class="quiet">{m.onlyMissing}</small>}
            <small class="quiet">{m.leftOut}</small>
            {counts.data.not_on_disk > 0 && (
              <small class="quiet">{m.notOnDisk(format.number(counts.data.not_on_disk))}</small>
            )}
          </Notice>
        )}
        {sending.error && <Failure error={sending.error} />}
        {id && bulk.error && <Failure error={bulk.error} />}
        {bulk.data && <Progress bulk={bulk.data} />}
      </div>
      {!counts.isLoading && (
        <Action
          needs="operator"
          icon="send"
          tone="brand"
          loading={sending.isPending}
          disabled={!counts.data?.studies || bulk.data?.finished_at === null}
          onClick={() => sending.mutate()}
        >
          {(body.only_missing ? m.sendMissing : m.send)(t.count.studies(counts.data?.studies ?? 0))}
        </Action>
      )}
    </>
  );
}

function useBulk(id: string) {
  return useQuery({
    queryKey: ["bulk", id],
    queryFn: () =>
      result(
        client.GET("/api/v1/deliveries/bulk/{bulk_id}", { params: { path: { bulk_id: id } } }),
      ),
    enabled: Boolean(id),
    refetchInterval: (query) => (query.state.data?.finished_at ? false : WATCHED_EVERY_MS),
  });
}

function Progress(props: { bulk: Bulk }) {
  const t = useText();
  const m = t.sendMany;
  const queries = useQueryClient();
  const { bulk } = props;
  const stopping = useMutation({
    mutationFn: () =>
      result(
        client.POST("/api/v1/deliveries/bulk/{bulk_id}/cancel", {
          params: { path: { bulk_id: bulk.id } },
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: ["bulk", bulk.id] }),
    onError: (error) => say(error.message, "danger"),
  });
  const asked = m.asked(bulk.asked, bulk.studies);
  const part = bulk.studies ? (100 * bulk.asked) / bulk.studies : 100;
  const tone = bulk.reason ? "warning" : bulk.finished_at ? "success" : "brand";
  return (
    <Notice tone={tone}>
      {bulk.reason
        ? m.endedEarly(asked)
        : bulk.finished_at
          ? m.finished(t.count.studies(bulk.asked))
          : asked}
      {bulk.reason && <small class="quiet">{bulk.reason}</small>}
      <wa-progress-bar value={part} label={asked} />
      {!bulk.finished_at && (
        <Action needs="operator" loading={stopping.isPending} onClick={() => stopping.mutate()}>
          {m.stop}
        </Action>
      )}
    </Notice>
  );
}
