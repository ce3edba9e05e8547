/** What could not be organized, and why; each file can be tried once more or removed. */
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { usePages } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Action, Badge, Heading, Loaded, More, Scrolled } from "../ui/basics";
import { Dialog } from "../ui/dialogs";
import { say } from "../ui/toast";
import { capital } from "../words";

type Quarantined = Schemas["Quarantined"];

export function Quarantine() {
  const t = useText();
  const q = t.quarantine;
  const format = useFormat();
  const [removing, remove] = useState<Quarantined | null>(null);
  const found = usePages(["quarantine"], (page) =>
    result(client.GET("/api/v1/quarantine", { params: { query: page } })),
  );
  const shown = found.items;
  return (
    <>
      <Heading title={t.pages.quarantine} help="/help#quarantine" />
      <p class="quiet">{q.explain}</p>
      <Loaded of={found}>
        {shown.length === 0 ? (
          <p>{q.none}</p>
        ) : (
          <Scrolled label={t.pages.quarantine}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{t.studies.received}</th>
                  <th scope="col">{q.kind}</th>
                  <th scope="col">{t.study.why}</th>
                  <th scope="col">{q.from}</th>
                  <th scope="col">{q.file}</th>
                  <th scope="col">
                    <span class="wa-visually-hidden">{q.retry}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((each) => (
                  <tr key={each.id}>
                    <td class="nowrap">{format.time(each.received_at)}</td>
                    <td>
                      <Badge tone="warning">{q.kinds[each.kind] ?? each.kind}</Badge>
                    </td>
                    <td class="text">
                      {each.kind === "superseded" ? q.superseded : capital(each.reason)}
                    </td>
                    <td>
                      {each.calling_ae_title || "—"}
                      <small class="quiet">{each.peer_address}</small>
                    </td>
                    <td class="text">
                      {each.study_uid ? (
                        <Link href={`/studies/${encodeURIComponent(each.study_uid)}`}>
                          {each.path}
                        </Link>
                      ) : (
                        each.path
                      )}
                      <small class="quiet">{format.bytes(each.size_bytes)}</small>
                    </td>
                    <td>
                      <div class="actions">
                        <Retry id={each.id} />
                        <Action needs="admin" tone="danger" onClick={() => remove(each)}>
                          {t.app.remove}
                        </Action>
                      </div>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolled>
        )}
        <More of={found} />
      </Loaded>
      {removing && (
        <Dialog
          title={t.app.remove}
          button={t.app.remove}
          danger
          run={() =>
            result(
              client.DELETE("/api/v1/quarantine/{receipt_id}", {
                params: { path: { receipt_id: removing.id } },
              }),
            )
          }
          onClose={() => remove(null)}
        >
          <p>{q.removeExplain(removing.path ?? removing.id)}</p>
        </Dialog>
      )}
    </>
  );
}

function Retry(props: { id: string }) {
  const t = useText();
  const queries = useQueryClient();
  const work = useMutation({
    mutationFn: (): Promise<unknown> =>
      result(
        client.POST("/api/v1/quarantine/{receipt_id}/retry", {
          params: { path: { receipt_id: props.id } },
        }),
      ),
    onSuccess: () => {
      say(t.quarantine.asked);
      void queries.invalidateQueries({ queryKey: ["quarantine"] });
    },
    onError: (error) => say(error.message, "danger"),
  });
  return (
    <Action needs="operator" icon="repeat" onClick={() => work.mutate()}>
      {t.quarantine.retry}
    </Action>
  );
}
