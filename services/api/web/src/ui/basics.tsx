/** Small things that every page uses. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Problem, type Role } from "../api/client";
import { useLocale, useText } from "../i18n";
import type { IconName } from "../icons";
import { useMay } from "../session";
import { fieldName, type Tone } from "../words";

let isFirstPage = true;

/**
 * A page's heading, and its name in the browser's tab: `tab` where the heading names a patient, so
 * that no patient's name gets into the browser's history. `help` is the page's section of the guide.
 */
export function Heading(props: {
  title: string;
  tab?: string;
  help?: string;
  children?: ComponentChildren;
}) {
  const t = useText();
  const heading = useRef<HTMLHeadingElement>(null);
  const name = props.tab ?? props.title;
  useEffect(() => {
    document.title = `${name} · ${t.app.title}`;
  }, [name, t]);
  useEffect(() => {
    // Who can't see learns that there is another page by the focus being on its heading.
    if (!isFirstPage) heading.current?.focus();
    isFirstPage = false;
  }, []);
  return (
    <header class="heading">
      <h1 ref={heading} tabIndex={-1}>
        {props.title}
      </h1>
      {props.children && <div class="actions">{props.children}</div>}
      {props.help && <GuideLink to={props.help} about={name} />}
    </header>
  );
}

/** Side by side with a dot between; where the line is broken there is none. */
export function Dotted(props: { parts: (string | false)[] }) {
  const parts = props.parts.filter(Boolean);
  return (
    <span class="dotted">
      {parts.map((each, number) => (
        <span key={`${number} ${each}`}>{each}</span>
      ))}
    </span>
  );
}

/** A section of the troubleshooting guide, which the router itself shows, in the page's language. */
export function GuideLink(props: { to: string; about: string }) {
  const t = useText();
  const language = useLocale();
  return (
    <a href={props.to.replace("#", `/${language}#`)} target="_blank" rel="noreferrer">
      {t.diagnostics.guide}
      <span class="wa-visually-hidden"> {props.about}</span>
    </a>
  );
}

const TONE_ICONS: Record<Tone, IconName> = {
  success: "ok",
  warning: "warning",
  danger: "failed",
  brand: "info",
  neutral: "info",
};

export function Notice(props: { tone: Tone; large?: boolean; children: ComponentChildren }) {
  return (
    <wa-callout variant={props.tone} size={props.large ? "m" : "s"}>
      <wa-icon slot="icon" name={TONE_ICONS[props.tone]} />
      {props.children}
    </wa-callout>
  );
}

/** What went wrong, in the API's own sentence, with the fields that it is about. */
export function Failure(props: { error: unknown }) {
  const t = useText();
  const { error } = props;
  const fields = error instanceof Problem ? error.errors : [];
  return (
    <div role="alert">
      <Notice tone="danger">
        <strong>{t.app.problem}.</strong>{" "}
        {fields.length === 0 && (error instanceof Error ? error.message : String(error))}
        {fields.length > 0 && (
          <ul>
            {fields.map((each) => (
              <li key={each.field}>
                {fieldName(each.field, t)}: {each.message}
              </li>
            ))}
          </ul>
        )}
      </Notice>
    </div>
  );
}

interface Asked {
  isPending: boolean;
  error: Error | null;
  data: unknown;
}

/** The first answer, the wait for it, or why there is none; what was there once stays beside it. */
export function Loaded(props: { of: Asked; children: ComponentChildren }) {
  const t = useText();
  const { data, error } = props.of;
  // That the router is away is said above the page.
  const failure = error && !(error instanceof Problem && error.status === 0) && (
    <Failure error={error} />
  );
  if (data !== undefined) {
    return (
      <>
        {failure}
        {props.children}
      </>
    );
  }
  if (failure) return failure;
  return (
    <p class="loading" role="status">
      <wa-spinner /> {t.app.loading}
    </p>
  );
}

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => Promise<unknown>;
}

/** The rest of a list, page by page. */
export function More(props: { of: Pages }) {
  const t = useText();
  const { of } = props;
  if (!of.hasNextPage) return null;
  return (
    <p>
      <Action loading={of.isFetchingNextPage} onClick={() => void of.fetchNextPage()}>
        {t.app.more}
      </Action>
    </p>
  );
}

export function Badge(props: { tone: Tone; children: ComponentChildren }) {
  return (
    <wa-badge variant={props.tone} appearance="filled-outlined">
      {props.children}
    </wa-badge>
  );
}

/** A button for those who may; others see that it is there and who may. */
export function Action(props: {
  needs?: Role;
  onClick: () => void;
  icon?: IconName;
  tone?: Tone;
  disabled?: boolean;
  loading?: boolean;
  plain?: boolean;
  children: ComponentChildren;
}) {
  const t = useText();
  const needed = props.needs ?? "viewer";
  const allowed = useMay()(needed);
  return (
    <wa-button
      size="s"
      variant={props.tone ?? "neutral"}
      appearance={props.plain ? "plain" : "outlined"}
      disabled={!allowed || props.disabled}
      loading={props.loading}
      title={allowed ? undefined : t.app.needs[needed]}
      onClick={props.onClick}
    >
      {props.icon && <wa-icon slot="start" name={props.icon} />}
      {props.children}
    </wa-button>
  );
}

/**
 * A wide table scrolls within itself, by keyboard too. On a phone each row is a block instead, and
 * each cell says the heading of its column; that of a column of buttons is for screen readers only.
 */
export function Scrolled(props: { label: string; children: ComponentChildren }) {
  const frame = useRef<HTMLElement>(null);
  useEffect(() => {
    const table = frame.current?.querySelector("table");
    const headings = [...(table?.tHead?.rows[0]?.cells ?? [])];
    const names = headings.map((each) => (each.childElementCount ? "" : each.textContent));
    for (const row of table?.tBodies[0]?.rows ?? []) {
      for (const cell of row.cells) cell.dataset.heading = names[cell.cellIndex] ?? "";
    }
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse scrolls it by keyboard
    <section class="scrolled" aria-label={props.label} tabIndex={0} ref={frame}>
      {props.children}
    </section>
  );
}
