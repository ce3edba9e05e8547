/** Who changed what, and who looked at patients' data. */
import { Link, useSearchParams } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { usePages } from "../api/queries";
import { useText } from "../i18n";
import { withValue } from "../search";
import { useFormat, useMay } from "../session";
import { Badge, Dotted, Heading, Loaded, More, Scrolled } from "../ui/basics";
import { Choice, Text } from "../ui/fields";
import { changeText, fieldName, plainText, type Tone } from "../words";

const TONES: Record<Schemas["AuditEntry"]["outcome"], Tone> = {
  done: "success",
  denied: "danger",
  refused: "warning",
  failed: "danger",
};

export function Audit() {
  const t = useText();
  const isAllowed = useMay()("admin");
  return (
    <>
      <Heading title={t.pages.audit} />
      {isAllowed ? <Trail /> : <p>{t.app.needs.admin}</p>}
    </>
  );
}

function Trail() {
  const t = useText();
  const a = t.audit;
  const format = useFormat();
  const [search, setSearch] = useSearchParams();
  const given = (name: string) => search.get(name) ?? "";
  const wanted = {
    who: given("who"),
    action: (given("action") || undefined) as Schemas["Action"] | undefined,
    study: given("study"),
    from: given("from") || null,
    to: given("to") || null,
  };
  const found = usePages(["audit", JSON.stringify(wanted)], (page) =>
    result(client.GET("/api/v1/audit", { params: { query: { ...wanted, ...page } } })),
  );
  const put = (name: string) => (value: string) =>
    setSearch((before) => withValue(before, name, value), { replace: true });
  return (
    <>
      <search class="filters">
        <Text label={a.who} value={wanted.who} onChange={put("who")} />
        <Choice
          label={a.what}
          placeholder={t.app.all}
          value={given("action")}
          options={Object.entries(a.actions).sort((one, other) => one[1].localeCompare(other[1]))}
          onChange={put("action")}
        />
        <Text label={t.study.uid} value={wanted.study} onChange={put("study")} />
        <Text type="date" label={a.from} value={given("from")} onChange={put("from")} />
        <Text type="date" label={a.to} value={given("to")} onChange={put("to")} />
        <a href={`/api/v1/audit/export?${search}`} download="audit.csv">
          {a.export}
        </a>
      </search>
      <Loaded of={found}>
        <Scrolled label={t.pages.audit}>
          <table>
            <thead>
              <tr>
                <th scope="col">{a.when}</th>
                <th scope="col">{a.who}</th>
                <th scope="col">{a.what}</th>
                <th scope="col">{a.about}</th>
                <th scope="col">{a.outcome}</th>
              </tr>
            </thead>
            <tbody>
              {found.items.map((each) => (
                <tr key={each.id}>
                  <td class="nowrap">{format.second(each.at)}</td>
                  <td>
                    {each.who || "—"}
                    <small class="quiet">
                      <Dotted parts={[each.role ? t.roles[each.role] : "", each.address]} />
                    </small>
                  </td>
                  <td>
                    {each.detail.dry_run
                      ? a.counted
                      : (a.actions[each.action as keyof typeof a.actions] ?? each.action)}
                    {each.count > 1 && ` × ${each.count}`}
                  </td>
                  <td class="text">
                    {each.study_uid ? (
                      <Link href={`/studies/${encodeURIComponent(each.study_uid)}`}>
                        {t.queues.studyOf(each.study_uid)}
                      </Link>
                    ) : (
                      each.about
                    )}
                    <Detail of={each} />
                  </td>
                  <td>
                    <Badge tone={TONES[each.outcome]}>{a.outcomes[each.outcome]}</Badge>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
        <More of={found} />
      </Loaded>
    </>
  );
}

/** What else is on record, folded away; by its request an entry is found in the logs. */
function Detail(props: { of: Schemas["AuditEntry"] }) {
  const t = useText();
  const { action, detail, request_id } = props.of;
  const isChange = action.endsWith(".change");
  return (
    <details>
      <summary>{t.audit.details}</summary>
      <dl>
        {Object.entries(detail).map(([name, value]) => (
          <div key={name}>
            <dt>{fieldName(name, t)}</dt>
            <dd>{isChange ? changeText(value) : plainText(value)}</dd>
          </div>
        ))}
        <div>
          <dt>{t.audit.request}</dt>
          <dd>
            <Link href={`/logs?${new URLSearchParams({ q: request_id })}`}>{request_id}</Link>
          </dd>
        </div>
      </dl>
    </details>
  );
}
