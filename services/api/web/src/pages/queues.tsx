/** What waits, what is tried again, and what has failed, with a way back to work for each. */
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { client, type QueueStatus, result } from "../api/client";
import { useAsked, useDestinations, useFailedDeliveries, useQueues } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Action, Badge, Heading, Loaded, More, Scrolled } from "../ui/basics";
import { say } from "../ui/toast";
import { capital, DELIVERY_TONES, letterText, reasonText } from "../words";
import { Depths } from "./depths";
import { spokenName } from "./studies";
import { DeliveryActions } from "./study";

export function Queues() {
  const t = useText();
  const q = t.queues;
  const queues = useQueues();
  const [open, setOpen] = useState<string | null>(null);
  const shown = queues.data?.items ?? [];
  return (
    <>
      <Heading title={t.pages.queues} help="/help#dead-letters" />
      <FailedDeliveries />
      <h2>{q.title}</h2>
      <p class="quiet">{q.explain}</p>
      <Loaded of={queues}>
        <Scrolled label={q.title}>
          <table>
            <thead>
              <tr>
                <th scope="col">{q.queue}</th>
                <th scope="col" class="number">
                  {q.ready}
                </th>
                <th scope="col" class="number">
                  {q.retry}
                </th>
                <th scope="col" class="number">
                  {q.dead}
                </th>
                <th scope="col" class="number">
                  {q.consumers}
                </th>
                <th scope="col">
                  <span class="wa-visually-hidden">{q.letters}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <QueueRow
                  key={each.name}
                  queue={each}
                  isOpen={open === each.name}
                  toggle={() => setOpen(open === each.name ? null : each.name)}
                />
              ))}
            </tbody>
          </table>
        </Scrolled>
      </Loaded>
      {open && <DeadLetters queue={open} />}
      <Depths isBusy={shown.some(holds)} />
    </>
  );
}

function holds(queue: QueueStatus): boolean {
  const { ready, retry, dead_letters } = queue;
  return ready > 0 || dead_letters > 0 || retry.some((each) => each.messages > 0);
}

/** What no list of failures has: what waits until its destination is there again. */
function WaitingForDestinations() {
  const t = useText();
  const d = t.destinations;
  const found = useDestinations().data?.items ?? [];
  const shown = found.filter((each) => each.waiting > 0 && (each.down || each.paused));
  if (!shown.length) return null;
  return (
    <ul class="plain">
      {shown.map((each) => (
        <li key={each.name}>
          <Link href="/destinations">
            {t.queues.waitForIt(
              each.name,
              each.paused ? d.paused : d.down,
              t.count.waiting(each.waiting),
            )}
          </Link>
        </li>
      ))}
    </ul>
  );
}

function FailedDeliveries() {
  const t = useText();
  const format = useFormat();
  const found = useFailedDeliveries();
  const shown = found.items;
  return (
    <section>
      <h2>{t.queues.failed}</h2>
      <Loaded of={found}>
        {shown.length === 0 ? (
          <p class="quiet">{t.queues.noneFailed}</p>
        ) : (
          <Scrolled label={t.queues.failed}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{t.queues.study}</th>
                  <th scope="col">{t.study.destination}</th>
                  <th scope="col">{t.studies.stateHeading}</th>
                  <th scope="col" class="number">
                    {t.study.progress}
                  </th>
                  <th scope="col">{t.study.why}</th>
                  <th scope="col">{t.study.when}</th>
                  <th scope="col">
                    <span class="wa-visually-hidden">{t.study.retry}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((each) => (
                  <tr key={each.id}>
                    <td>
                      <Link href={`/studies/${encodeURIComponent(each.study_uid)}`}>
                        {spokenName(each.patient_name)}
                      </Link>
                    </td>
                    <td>{each.destination}</td>
                    <td>
                      <Badge tone={DELIVERY_TONES[each.state]}>
                        {t.deliveryStates[each.state]}
                      </Badge>
                    </td>
                    <td class="number">
                      {each.sent} / {each.total}
                    </td>
                    <td class="text">
                      {each.reason && capital(reasonText(each.reason, t))}
                      <small class="quiet">{each.reason?.text}</small>
                    </td>
                    <td class="nowrap">
                      {each.next_attempt_at
                        ? t.study.againAt(format.time(each.next_attempt_at))
                        : each.finished_at && format.time(each.finished_at)}
                    </td>
                    <td>
                      <DeliveryActions delivery={each} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolled>
        )}
        <More of={found} />
      </Loaded>
      <WaitingForDestinations />
    </section>
  );
}

function QueueRow(props: { queue: QueueStatus; isOpen: boolean; toggle: () => void }) {
  const t = useText();
  const format = useFormat();
  const { queue } = props;
  const owedText = (n: number, since: string | null) =>
    since ? t.queues.waitsSince(n, format.time(since)) : t.count.waiting(n);
  const retried = queue.retry.reduce((sum, each) => sum + each.messages, 0);
  return (
    <tr>
      <td>
        {queue.name}
        {queue.ready > 0 && <small class="quiet">{capital(queue.grows_when)}</small>}
        {queue.open_deliveries !== null && (
          <small class="quiet">
            {capital(owedText(queue.open_deliveries, queue.oldest_waiting_at))}
          </small>
        )}
      </td>
      <td class={numberClass(queue.ready)}>{format.number(queue.ready)}</td>
      <td class={numberClass(retried)}>{format.number(retried)}</td>
      <td class={numberClass(queue.dead_letters)}>
        {queue.dead_letters > 0 ? (
          <Badge tone="danger">{format.number(queue.dead_letters)}</Badge>
        ) : (
          0
        )}
      </td>
      <td class="number">
        {queue.consumers === 0 ? <Badge tone="warning">0</Badge> : queue.consumers}
      </td>
      <td>
        {queue.dead_letters > 0 && (
          <div class="actions">
            <Action onClick={props.toggle}>{props.isOpen ? t.app.close : t.queues.letters}</Action>
            <Replay queue={queue.name} />
          </div>
        )}
      </td>
    </tr>
  );
}

/** On a phone what is zero is left out. */
function numberClass(count: number): string {
  return count ? "number" : "number zero";
}

function Replay(props: { queue: string; message?: string }) {
  const t = useText();
  const queries = useQueryClient();
  const work = useMutation({
    mutationFn: () =>
      result(
        client.POST("/api/v1/queues/{name}/dlq/replay", {
          params: { path: { name: props.queue } },
          body: props.message ? { message_id: props.message } : {},
        }),
      ),
    onSuccess: (counts) => {
      say(t.queues.replayed(counts.replayed, counts.dropped));
      void queries.invalidateQueries();
    },
    onError: (error) => say(error.message, "danger"),
  });
  return (
    <Action needs="operator" icon="repeat" loading={work.isPending} onClick={() => work.mutate()}>
      {props.message ? t.queues.replay : t.queues.replayAll}
    </Action>
  );
}

function DeadLetters(props: { queue: string }) {
  const t = useText();
  const q = t.queues;
  const format = useFormat();
  const letters = useAsked(["queues", "letters", props.queue], () =>
    result(
      client.GET("/api/v1/queues/{name}/dlq", {
        params: { path: { name: props.queue }, query: { limit: 100 } },
      }),
    ),
  );
  return (
    <section>
      <h2>{q.lettersOf(props.queue)}</h2>
      <Loaded of={letters}>
        <Scrolled label={q.lettersOf(props.queue)}>
          <table>
            <thead>
              <tr>
                <th scope="col">{q.firstFailed}</th>
                <th scope="col">{t.study.why}</th>
                <th scope="col" class="number">
                  {q.attempts}
                </th>
                <th scope="col">{q.study}</th>
                <th scope="col">
                  <span class="wa-visually-hidden">{q.replay}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {(letters.data?.items ?? []).map((each) => (
                <tr key={each.message_id}>
                  <td class="nowrap">{format.time(each.first_failed_at)}</td>
                  <td class="text">
                    {letterText(each, t)}
                    <small class="quiet">{each.reason}</small>
                    {!each.of_use && <small class="quiet">{q.noUse}</small>}
                  </td>
                  <td class="number">{each.attempt}</td>
                  <td>
                    {each.study_uid && (
                      <Link href={`/studies/${encodeURIComponent(each.study_uid)}`}>
                        {q.studyOf(each.study_uid)}
                      </Link>
                    )}
                  </td>
                  <td>
                    <Replay queue={props.queue} message={each.message_id} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      </Loaded>
    </section>
  );
}
