/** All studies: found by name, filtered by the address, thousands of them without a stutter. */
import type WaInput from "@awesome.me/webawesome/dist/components/input/input.js";
import type WaSelect from "@awesome.me/webawesome/dist/components/select/select.js";
import type WaSwitch from "@awesome.me/webawesome/dist/components/switch/switch.js";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation, useSearchParams } from "wouter-preact";
import type { Delivery, Study } from "../api/client";
import { type StudyFilters, useStudies } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Badge, Heading, Loaded } from "../ui/basics";
import { useVirtualRows } from "../ui/virtual-rows";
import { owedTo, STATE_TONES, worstFirst } from "../words";

const STATES = [
  "receiving",
  "complete",
  "forwarding",
  "sent",
  "failed",
  "unrouted",
  "held",
  "deleted",
] as const satisfies Study["state"][];
const MODALITIES = ["CR", "CT", "DX", "MG", "MR", "NM", "OT", "PT", "RF", "SR", "US", "XA"];
const ROW_HEIGHT_PX = 44;
const SEARCH_AFTER_MS = 200;

/** The filters that an address means; what it does not know is left aside. */
export function filtersOf(search: URLSearchParams): StudyFilters {
  const state = search
    .getAll("state")
    .filter((each) => (STATES as readonly string[]).includes(each));
  const found: StudyFilters = {};
  if (search.get("q")) found.q = search.get("q") ?? "";
  if (state.length) found.state = state as StudyFilters["state"];
  if (search.get("modality")) found.modality = search.get("modality") ?? "";
  if (search.get("from")) found.received_from = search.get("from");
  if (search.get("to")) found.received_to = search.get("to");
  if (search.get("attention")) found.needs_attention = true;
  if (search.get("sort")) found.sort = search.get("sort") as StudyFilters["sort"];
  return found;
}

export function Studies() {
  const t = useText();
  const [search] = useSearchParams();
  const filters = useMemo(() => filtersOf(search), [search]);
  const found = useStudies(filters);
  const rows = found.items;
  return (
    <div class="studies">
      <Heading title={t.pages.studies} help="/help#study-not-there" />
      <StudyFilterBar ordered />
      <Loaded of={found}>
        {rows.length ? (
          <StudyTable
            key={search.toString()} // another search is read from its first row
            rows={rows}
            hasMore={found.hasNextPage}
            loadMore={() => found.isFetchingNextPage || void found.fetchNextPage()}
          />
        ) : (
          <p>
            {Object.keys(filters).length ? (
              t.studies.noneFits
            ) : (
              <>
                {t.studies.none} <Link href="/start">{t.pages.start}</Link>
              </>
            )}
          </p>
        )}
      </Loaded>
      <p role="status" class="quiet">
        {rows.length > 0 &&
          `${t.studies.shown(rows.length)}; ${found.hasNextPage ? t.studies.more : t.studies.all}`}
      </p>
    </div>
  );
}

/** Writes the filters into the address, which is where they are kept. */
export function StudyFilterBar(props: { ordered?: boolean }) {
  const t = useText();
  const s = t.studies;
  const [search, setSearch] = useSearchParams();
  const inAddress = search.get("q") ?? "";
  const [typed, setTyped] = useState(inAddress);
  const written = useRef(inAddress);
  const box = useRef<WaInput | null>(null);

  function put(name: string, values: string[]): void {
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        next.delete(name);
        for (const each of values.filter(Boolean)) next.append(name, each);
        return next;
      },
      { replace: true },
    );
  }
  useEffect(() => {
    if (typed === inAddress) return;
    const timer = setTimeout(() => {
      written.current = typed;
      put("q", [typed]);
    }, SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => {
    // A link, or the way back, leads to another search than the one that was typed here.
    if (inAddress === written.current) return;
    written.current = inAddress;
    setTyped(inAddress);
  }, [inAddress]);
  useEffect(() => {
    function key(event: KeyboardEvent): void {
      const into = event.composedPath()[0];
      if (event.key !== "/" || into instanceof HTMLInputElement) return;
      if (into instanceof HTMLTextAreaElement) return;
      event.preventDefault();
      box.current?.focus();
    }
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);

  const input = (name: string) => (event: Event) =>
    put(name, [(event.currentTarget as WaInput).value ?? ""]);
  const select = (name: string) => (event: Event) => {
    const value = (event.currentTarget as WaSelect).value ?? "";
    put(name, Array.isArray(value) ? value : [value]);
  };
  return (
    <search class="filters">
      <wa-input
        ref={(element: WaInput | null) => {
          box.current = element;
        }}
        class="grow"
        size="s"
        type="search"
        label={s.search}
        placeholder={s.searchHint}
        with-clear
        value={typed}
        onInput={(event: Event) => setTyped((event.currentTarget as WaInput).value ?? "")}
      >
        <wa-icon slot="start" name="search" />
      </wa-input>
      <wa-select
        size="s"
        label={s.state}
        placeholder={t.app.all}
        multiple
        with-clear
        max-options-visible={2}
        value={search.getAll("state")}
        onChange={select("state")}
      >
        {STATES.map((each) => (
          <wa-option key={each} value={each}>
            {t.states[each]}
          </wa-option>
        ))}
      </wa-select>
      <wa-select
        size="s"
        label={s.modality}
        placeholder={s.anyModality}
        with-clear
        value={search.get("modality") ?? ""}
        onChange={select("modality")}
      >
        {[...new Set([...MODALITIES, search.get("modality") ?? ""])].filter(Boolean).map((each) => (
          <wa-option key={each} value={each}>
            {each}
          </wa-option>
        ))}
      </wa-select>
      <wa-input
        size="s"
        type="date"
        label={s.from}
        value={search.get("from") ?? ""}
        onChange={input("from")}
      />
      <wa-input
        size="s"
        type="date"
        label={s.to}
        value={search.get("to") ?? ""}
        onChange={input("to")}
      />
      {props.ordered && (
        <wa-select
          size="s"
          label={s.sort}
          value={search.get("sort") ?? "-created_at"}
          onChange={select("sort")}
        >
          {Object.entries(s.sorts).map(([value, name]) => (
            <wa-option key={value} value={value}>
              {name}
            </wa-option>
          ))}
        </wa-select>
      )}
      <wa-switch
        size="s"
        checked={Boolean(search.get("attention"))}
        onChange={(event: Event) =>
          put("attention", [(event.currentTarget as WaSwitch).checked ? "1" : ""])
        }
      >
        {s.attention}
      </wa-switch>
      {[...search].length > 0 && (
        <wa-button
          size="s"
          appearance="plain"
          onClick={() => {
            setTyped("");
            setSearch(new URLSearchParams(), { replace: true });
          }}
        >
          {s.clear}
        </wa-button>
      )}
    </search>
  );
}

const MOVES: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

function StudyTable(props: { rows: Study[]; hasMore: boolean; loadMore: () => void }) {
  const t = useText();
  const s = t.studies;
  const { rows } = props;
  const [, go] = useLocation();
  const frame = useRef<HTMLElement>(null);
  const [current, setCurrent] = useState(-1);
  const { items, before, after, show } = useVirtualRows(frame, rows.length, ROW_HEIGHT_PX);

  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (props.hasMore && last >= rows.length - 20) props.loadMore();
  });

  function key(event: KeyboardEvent): void {
    const move = MOVES[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(rows.length - 1, current + move));
      setCurrent(next);
      show(next);
    } else if (event.key === "Enter" && rows[current] && event.target === frame.current) {
      go(`/studies/${encodeURIComponent(rows[current].study_uid)}`);
    }
  }
  return (
    <section
      class="scrolled tall"
      ref={frame}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled and walked by keyboard
      tabIndex={0}
      onKeyDown={key}
      aria-label={s.caption}
    >
      <table class="rows" aria-rowcount={props.hasMore ? -1 : rows.length + 1}>
        <caption class="wa-visually-hidden">{s.caption}</caption>
        <thead>
          <tr>
            <th scope="col" class="at">
              {s.received}
            </th>
            <th scope="col">{s.patient}</th>
            <th scope="col" class="wide id">
              {s.id}
            </th>
            <th scope="col" class="wide modality">
              {s.modality}
            </th>
            <th scope="col" class="number images">
              {s.images}
            </th>
            <th scope="col" class="state">
              {s.stateHeading}
            </th>
            <th scope="col" class="wide owed">
              {s.destinations}
            </th>
            <th scope="col" class="wide description">
              {s.description}
            </th>
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Space height={before} />}
          {items.map((item) => {
            const study = rows[item.index];
            return (
              study && (
                <StudyRow
                  key={study.study_uid}
                  study={study}
                  number={item.index}
                  isCurrent={item.index === current}
                />
              )
            );
          })}
          {after > 0 && <Space height={after} />}
        </tbody>
      </table>
    </section>
  );
}

function Space(props: { height: number }) {
  return (
    <tr>
      {/* Of one column: of more, a phone's table would get columns that it does not have. */}
      <td style={{ height: `${props.height}px`, padding: 0 }} />
    </tr>
  );
}

function StudyRow(props: { study: Study; number: number; isCurrent: boolean }) {
  const t = useText();
  const format = useFormat();
  const { study } = props;
  const name = spokenName(study.patient_name);
  const owed = owedText(study);
  return (
    <tr aria-rowindex={props.number + 2} class={props.isCurrent ? "current" : ""}>
      {/* On a phone the time is below the day. */}
      <td class="at">{format.stamp(study.created_at).replace(/\u00a0(?=\d\d:)/, " ")}</td>
      <td title={name}>
        <Link href={`/studies/${encodeURIComponent(study.study_uid)}`}>
          {study.needs_attention && <wa-icon name="warning" label={t.studies.attention} />}
          {name}
        </Link>
      </td>
      <td class="wide">{study.patient_id}</td>
      <td class="wide">{study.modalities.join(", ") || study.modality}</td>
      <td class="number">{format.number(study.image_count)}</td>
      <td>
        <Badge tone={STATE_TONES[study.state]}>{t.states[study.state]}</Badge>
      </td>
      <td class="wide" title={owed}>
        {owed}
      </td>
      <td class="wide" title={study.study_description}>
        {study.study_description}
      </td>
    </tr>
  );
}

/** DOE_JOHN as it is read. */
export function spokenName(name: string): string {
  return name.replaceAll("_", " ").trim() || "—";
}

const FAILED: string[] = ["failed", "cancelled"] satisfies Delivery["state"][];

/** Each destination with a mark, or with how far it is, in brackets if it has all and gets it again. */
function owedText(study: Study): string {
  return worstFirst(owedTo(study))
    .map(({ destination, decisive, before, sent, total }) => {
      if (decisive.state === "delivered") return `${destination} ✓`;
      const part = `${FAILED.includes(decisive.state) ? "✗ " : ""}${sent}/${total}`;
      return before ? `${destination} ✓ (${part})` : `${destination} ${part}`;
    })
    .join(", ");
}
