/** One study: where it is in a sentence, then all that happened to it, and what can be done. */
import type WaSelect from "@awesome.me/webawesome/dist/components/select/select.js";
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import {
  client,
  type Delivery,
  type Destination,
  Problem,
  result,
  type Study as StudyShape,
} from "../api/client";
import { useDestinations, useFiles, useSeries, useStudy, useTimeline } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Action, Badge, Dotted, Failure, Heading, Loaded, Notice, Scrolled } from "../ui/basics";
import { Dialog, ReasonDialog } from "../ui/dialogs";
import { say } from "../ui/toast";
import {
  capital,
  DELIVERY_TONES,
  filesText,
  holders,
  isUnsent,
  reasonText,
  STATE_TONES,
  sentence,
  sentences,
} from "../words";
import { spokenName } from "./studies";
import { Evidence, Timeline } from "./timeline";

export function Study(props: { uid: string }) {
  const t = useText();
  const study = useStudy(props.uid);
  const destinations = useDestinations();
  if (study.error instanceof Problem && study.error.status === 404) {
    return (
      <>
        <Heading title={t.study.unknown} />
        <BackLink />
      </>
    );
  }
  return (
    <Loaded of={study}>
      {study.data && <Known study={study.data} destinations={destinations.data?.items ?? []} />}
    </Loaded>
  );
}

function BackLink() {
  const t = useText();
  return (
    <p>
      <Link href="/studies">← {t.study.back}</Link>
    </p>
  );
}

/** What the guide says to a study that is not simply on its way. */
const GUIDE: Partial<Record<StudyShape["state"], string>> = {
  receiving: "/help#stays-receiving",
  failed: "/help#failed",
  held: "/help#held",
  unrouted: "/help#unrouted",
};

function Known(props: { study: StudyShape; destinations: Destination[] }) {
  const t = useText();
  const format = useFormat();
  const { study, destinations } = props;
  const timeline = useTimeline(study.study_uid).data;
  return (
    <article class="study">
      <BackLink />
      <Heading
        title={spokenName(study.patient_name)}
        tab={t.queues.study}
        help={study.needs_attention ? "/help#attention" : GUIDE[study.state]}
      >
        <Badge tone={STATE_TONES[study.state]}>{t.states[study.state]}</Badge>
      </Heading>
      <p class="quiet">
        <Dotted
          parts={[
            study.patient_id,
            study.modalities.join(", ") || study.modality,
            study.study_description,
            format.date(study.study_date),
          ]}
        />
      </p>
      <div class="sentences" aria-live="polite">
        <NeedsAttention study={study} />
        {sentences(study, destinations, t, format, timeline).map((each) => (
          <Notice key={each.text} tone={each.tone} large>
            {each.text}
          </Notice>
        ))}
        {!study.on_disk && study.image_count > 0 && (
          <Notice tone="neutral" large>
            {holders(study).length
              ? t.study.notOnDisk(format.list(holders(study)))
              : t.study.notOnDiskNobody}
          </Notice>
        )}
      </div>
      <Actions study={study} destinations={destinations} />
      <Deliveries study={study} />
      <SeriesList study={study} />
      <Evidence study={study} />
      <Timeline uid={study.study_uid} />
      <Facts study={study} />
    </article>
  );
}

function NeedsAttention(props: { study: StudyShape }) {
  const t = useText();
  const button = props.study.held ? t.study.release : t.study.seen;
  return (
    <>
      {props.study.attention.map((each) => (
        <Notice key={each.kind + each.at} tone="warning" large>
          <strong>{t.attention[each.kind] ?? t.attention.title}</strong>
          <br />
          {sentence(each.text)}
          <br />
          {t.attentionHelp[each.kind]?.(button)}
        </Notice>
      ))}
    </>
  );
}

type Question = "send" | "hold" | "release" | "delete" | null;

function Actions(props: { study: StudyShape; destinations: Destination[] }) {
  const t = useText();
  const { study } = props;
  const [asked, ask] = useState<Question>(null);
  const close = () => ask(null);
  const path = { params: { path: { study_uid: study.study_uid } } };
  const isGone = study.state === "deleted";
  return (
    <div class="actions">
      <Action
        needs="operator"
        icon="send"
        disabled={isGone || !study.on_disk || study.revision === 0}
        onClick={() => ask("send")}
      >
        {isUnsent(study) ? t.study.send : t.study.sendAgain}
      </Action>
      {study.held || study.needs_attention ? (
        <Action needs="operator" disabled={isGone} onClick={() => ask("release")}>
          {study.held ? t.study.release : t.study.seen}
        </Action>
      ) : null}
      {!study.held && (
        <Action needs="operator" disabled={isGone} onClick={() => ask("hold")}>
          {t.study.hold}
        </Action>
      )}
      <Action
        needs="admin"
        tone="danger"
        disabled={isGone || !study.on_disk}
        onClick={() => ask("delete")}
      >
        {t.study.delete}
      </Action>
      {asked === "send" && <SendDialog {...props} onClose={close} />}
      {asked === "hold" && (
        <ReasonDialog
          title={t.study.hold}
          explain={t.study.holdExplain}
          run={(reason) =>
            result(client.POST("/api/v1/studies/{study_uid}/hold", { ...path, body: { reason } }))
          }
          onClose={close}
        />
      )}
      {asked === "release" && (
        <ReasonDialog
          title={study.held ? t.study.release : t.study.seen}
          explain={study.held ? t.study.releaseExplain : t.study.seenExplain}
          run={(reason) =>
            result(
              client.POST("/api/v1/studies/{study_uid}/release", { ...path, body: { reason } }),
            )
          }
          onClose={close}
        />
      )}
      {asked === "delete" && (
        <ReasonDialog
          title={t.study.delete}
          explain={t.study.deleteExplain}
          danger
          run={(reason) =>
            result(client.DELETE("/api/v1/studies/{study_uid}", { ...path, body: { reason } }))
          }
          onClose={close}
        />
      )}
    </div>
  );
}

function SendDialog(props: {
  study: StudyShape;
  destinations: Destination[];
  onClose: () => void;
}) {
  const t = useText();
  const [to, setTo] = useState("");
  const [what, setWhat] = useState("missing");
  const title = isUnsent(props.study) ? t.study.send : t.study.sendAgain;
  const value = (event: Event) => String((event.currentTarget as WaSelect).value ?? "");
  return (
    <Dialog
      title={title}
      button={title}
      done={t.study.sendAsked(to || t.timeline.all)}
      run={() =>
        result(
          client.POST("/api/v1/studies/{study_uid}/forward", {
            params: { path: { study_uid: props.study.study_uid } },
            body: { destination: to || null, only_missing: what === "missing" },
          }),
        )
      }
      onClose={props.onClose}
    >
      <wa-select
        label={t.study.destination}
        placeholder={t.study.sendAll}
        with-clear
        value={to}
        onChange={(event: Event) => setTo(value(event))}
      >
        {props.destinations
          .filter((each) => each.enabled)
          .map((each) => (
            <wa-option key={each.name} value={each.name}>
              {each.name}
            </wa-option>
          ))}
      </wa-select>
      <wa-select
        label={t.study.sendWhat}
        value={what}
        onChange={(event: Event) => setWhat(value(event))}
      >
        <wa-option value="missing">{t.study.sendMissing}</wa-option>
        <wa-option value="everything">{t.study.sendEverything}</wa-option>
      </wa-select>
    </Dialog>
  );
}

function Deliveries(props: { study: StudyShape }) {
  const t = useText();
  const shown = props.study.deliveries.filter((each) => !each.replaced_by).reverse();
  return (
    <section>
      <h2>{t.study.deliveries}</h2>
      {shown.length === 0 ? (
        <p class="quiet">{t.study.none}</p>
      ) : (
        <Scrolled label={t.study.deliveries}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t.study.destination}</th>
                <th scope="col">{t.studies.stateHeading}</th>
                <th scope="col">{t.study.progress}</th>
                <th scope="col">{t.study.why}</th>
                <th scope="col">{t.study.when}</th>
                <th scope="col">
                  <span class="wa-visually-hidden">{t.app.edit}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <DeliveryRow key={each.id} delivery={each} />
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
    </section>
  );
}

const RETRIED = ["waiting", "retrying", "failed", "cancelled"];
const CANCELLED = ["waiting", "sending", "retrying"];

function DeliveryRow(props: { delivery: Delivery }) {
  const t = useText();
  const format = useFormat();
  const { delivery } = props;
  const part = delivery.total ? (100 * delivery.sent) / delivery.total : 0;
  return (
    <tr>
      <td>{delivery.destination}</td>
      <td>
        <Badge tone={DELIVERY_TONES[delivery.state]}>{t.deliveryStates[delivery.state]}</Badge>
      </td>
      <td>
        <wa-progress-bar value={part} label={`${delivery.sent} / ${delivery.total}`} />
        {delivery.sent} / {delivery.total}
      </td>
      <td class="text">
        {delivery.reason && delivery.state !== "delivered" && (
          <>
            {capital(reasonText(delivery.reason, t))}
            <br />
            <small class="quiet">{delivery.reason.text}</small>
          </>
        )}
      </td>
      <td class="nowrap">
        {delivery.state === "retrying" && delivery.next_attempt_at
          ? t.study.againAt(format.time(delivery.next_attempt_at))
          : delivery.finished_at && format.time(delivery.finished_at)}
      </td>
      <td>
        <DeliveryActions delivery={delivery} />
      </td>
    </tr>
  );
}

export function DeliveryActions(props: { delivery: Delivery }) {
  const t = useText();
  const { delivery } = props;
  const queries = useQueryClient();
  const path = { params: { path: { delivery_id: delivery.id } } };
  const work = useMutation({
    mutationFn: (what: "retry" | "cancel"): Promise<unknown> =>
      what === "retry"
        ? result(client.POST("/api/v1/deliveries/{delivery_id}/retry", path))
        : result(client.POST("/api/v1/deliveries/{delivery_id}/cancel", path)),
    onSuccess: () => {
      say(t.study.done);
      void queries.invalidateQueries();
    },
    onError: (error) => say(error.message, "danger"),
  });
  return (
    <div class="actions">
      {RETRIED.includes(delivery.state) && (
        <Action needs="operator" icon="repeat" onClick={() => work.mutate("retry")}>
          {delivery.state === "cancelled" ? t.study.sendAgain : t.study.retry}
        </Action>
      )}
      {CANCELLED.includes(delivery.state) && (
        <Action needs="operator" onClick={() => work.mutate("cancel")}>
          {t.study.cancel}
        </Action>
      )}
    </div>
  );
}

function SeriesList(props: { study: StudyShape }) {
  const t = useText();
  const series = useSeries(props.study.study_uid);
  const shown = series.data?.items ?? [];
  return (
    <section>
      <h2>{t.study.series}</h2>
      {series.error && !series.data && <Failure error={series.error} />}
      <ul class="series">
        {shown.map((each) => (
          <li key={each.series_uid}>
            {/* Of what is not on this disk there is none: it is not asked for. */}
            {props.study.on_disk && (
              <Thumbnail study={props.study.study_uid} series={each.series_uid} />
            )}
            <strong>
              {each.modality} {each.series_number}
            </strong>{" "}
            {each.series_description}
            <span class="quiet">{t.count.images(each.image_count)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The router draws it; where there is nothing to draw, there is no picture. */
function Thumbnail(props: { study: string; series: string }) {
  const [isThere, setThere] = useState(true);
  if (!isThere) return null;
  const path = `/api/v1/studies/${encodeURIComponent(props.study)}/series/${encodeURIComponent(props.series)}/thumbnail`;
  return <img class="thumbnail" src={path} alt="" loading="lazy" onError={() => setThere(false)} />;
}

function Facts(props: { study: StudyShape }) {
  const t = useText();
  const format = useFormat();
  const { study } = props;
  const files = useFiles(study.study_uid, study.on_disk).data;
  const onDisk = files ? filesText(files, t) : "";
  const facts: [string, string][] = [
    [t.study.patientId, study.patient_id],
    [t.study.accession, study.accession_number],
    [t.study.studyDate, format.date(study.study_date)],
    [t.studies.received, format.stamp(study.created_at)],
    [t.studies.images, format.number(study.image_count)],
    [t.study.size, format.bytes(study.size_bytes)],
    [t.study.onDisk, study.on_disk ? onDisk : t.app.no],
    [t.study.revision, study.revision ? String(study.revision) : ""],
    [t.study.folder, study.folder],
    [t.study.uid, study.study_uid],
  ];
  // Where one destination lacks images, or it was deleted since, the deliveries say who has what.
  if (study.sent_at) facts.splice(4, 0, [t.study.sentToAll, format.stamp(study.sent_at)]);
  return (
    <section>
      <h2>{t.study.facts}</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value || "—"}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
