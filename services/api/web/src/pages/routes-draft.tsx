/** A route that is not saved yet, tried on the studies that came last. */
import { useMutation } from "@tanstack/preact-query";
import { client, result } from "../api/client";
import { useText } from "../i18n";
import { changes, type Outcome } from "../routing";
import { Failure, Notice } from "../ui/basics";
import type { Draft } from "./routes";
import { spokenName } from "./studies";

const STUDIES = 25;
// The studies are here, so what they are need not be said.
const NO_FACTS = {
  modalities: [],
  calling_ae_titles: [],
  called_ae_titles: [],
  patient_id: "",
  study_description: "",
};

export function TryDraft(props: { draft: Draft; ready: boolean }) {
  const t = useText();
  const r = t.routes;
  const { draft } = props;
  const trying = useMutation({
    mutationFn: async () => {
      const page = await result(
        client.GET("/api/v1/studies", { params: { query: { limit: STUDIES } } }),
      );
      const outcomes = (given: { draft?: Draft }): Promise<Outcome[]> =>
        Promise.all(
          page.items.map(async (study) => {
            const told = await result(
              client.POST("/api/v1/routes/test", {
                body: { ...NO_FACTS, study_uid: study.study_uid, ...given },
              }),
            );
            const name = spokenName(study.patient_name);
            return { studyUid: study.study_uid, name, destinations: told.destinations };
          }),
        );
      const [before, after] = await Promise.all([outcomes({}), outcomes({ draft })]);
      return { of: page.items.length, changed: changes(before, after) };
    },
  });
  const found = trying.data;
  return (
    <div class="form" aria-live="polite">
      <wa-button
        size="s"
        appearance="outlined"
        disabled={!props.ready}
        loading={trying.isPending}
        onClick={() => trying.mutate()}
      >
        {r.tryDraft(STUDIES)}
      </wa-button>
      {trying.error && <Failure error={trying.error} />}
      {found && (
        <Notice tone="brand">
          {r.changed(t.count.studies(found.changed.length), t.count.studies(found.of))}
          <ul>
            {found.changed.map((each) => (
              <li key={each.studyUid}>
                {each.name}{" "}
                {[
                  ...each.gained.map((name) => `+ ${name}`),
                  ...each.lost.map((name) => `− ${name}`),
                ].join(", ")}
              </li>
            ))}
          </ul>
        </Notice>
      )}
    </div>
  );
}
