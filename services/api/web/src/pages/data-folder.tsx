/** Whether the data folder is the right one, and going on with another once the disk is lost. */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { client, result, type Schemas } from "../api/client";
import { useAsked } from "../api/queries";
import { useText } from "../i18n";
import { Action, Loaded, Notice } from "../ui/basics";
import { ReasonDialog } from "../ui/dialogs";

const MOST_SHOWN = 50;

export function DataFolder() {
  const t = useText();
  const d = t.dataFolder;
  const found = useAsked(["data-folder"], () => result(client.GET("/api/v1/data-folder")));
  const [asked, ask] = useState(false);
  const folder = found.data;
  return (
    <section>
      <h2>{d.title}</h2>
      <Loaded of={found}>
        {folder?.status === "ok" && <p>{d.ok(folder.path)}</p>}
        {folder && folder.status !== "ok" && (
          <div class="form">
            <Notice tone="danger" large>
              {folder.status === "missing"
                ? d.missing(folder.path)
                : d.other(folder.path, folder.found_id ?? "", folder.expected_id ?? "")}
            </Notice>
            <p>{d.explain}</p>
            <GivenUp folder={folder} />
            <div class="actions">
              <Action needs="admin" tone="danger" onClick={() => ask(true)}>
                {d.adopt}
              </Action>
            </div>
          </div>
        )}
      </Loaded>
      {asked && folder && (
        <ReasonDialog
          title={d.adopt}
          explain={d.adoptExplain(t.count.studies(folder.missing))}
          hint={d.reasonHint}
          danger
          run={(reason) =>
            result(
              client.POST("/api/v1/data-folder/adopt", {
                body: { reason, instead_of: folder.expected_id },
              }),
            )
          }
          onClose={() => ask(false)}
        />
      )}
    </section>
  );
}

function GivenUp(props: { folder: Schemas["DataFolder"] }) {
  const t = useText();
  const d = t.dataFolder;
  const { missing, studies } = props.folder;
  if (!missing) return <p>{d.nothingMissing}</p>;
  const shown = studies.slice(0, MOST_SHOWN);
  return (
    <wa-details summary={d.givenUp(t.count.studies(missing))}>
      <ul class="plain">
        {shown.map((each) => (
          <li key={each.study_uid}>
            <Link href={`/studies/${encodeURIComponent(each.study_uid)}`}>{each.folder}</Link>
          </li>
        ))}
      </ul>
      {missing > shown.length && <p class="quiet">{d.andMore(missing - shown.length)}</p>}
    </wa-details>
  );
}
