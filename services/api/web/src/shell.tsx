/** What is around every page: where one can go, who one is, and whether the router answers. */
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { client, result } from "./api/client";
import { useOverview } from "./api/queries";
import { connection } from "./connection";
import { LANGUAGES, type Locale, type Messages, setLocale, useLocale, useText } from "./i18n";
import type { IconName } from "./icons";
import { PasswordDialog } from "./password";
import { useFormat, useHere } from "./session";
import { useStore } from "./store";
import { setTheme, type Theme, theme } from "./theme";
import { Badge, Notice } from "./ui/basics";

interface Place {
  path: string;
  icon: IconName;
  name: keyof Messages["pages"];
}

const PLACES: Place[] = [
  { path: "/", icon: "overview", name: "overview" },
  { path: "/studies", icon: "studies", name: "studies" },
  { path: "/queues", icon: "queues", name: "queues" },
  { path: "/send-many", icon: "send", name: "sendMany" },
  { path: "/destinations", icon: "server", name: "destinations" },
  { path: "/routes", icon: "routes", name: "routes" },
  { path: "/scanners", icon: "scanner", name: "scanners" },
  { path: "/diagnostics", icon: "diagnostics", name: "diagnostics" },
  { path: "/disk", icon: "disk", name: "disk" },
  { path: "/logs", icon: "logs", name: "logs" },
  { path: "/quarantine", icon: "quarantine", name: "quarantine" },
  { path: "/users", icon: "users", name: "users" },
  { path: "/audit", icon: "audit", name: "audit" },
  { path: "/start", icon: "info", name: "start" },
];

export function Shell(props: { children: ComponentChildren }) {
  const t = useText();
  const [path] = useLocation();
  const [menu, setMenu] = useState(false);
  const away = useStore(connection.away);
  useEffect(() => setMenu(false), [path]);
  return (
    <div class="shell">
      <a class="skip" href="#content">
        {t.app.skip}
      </a>
      <header class="top">
        <wa-button class="menu" appearance="plain" size="s" onClick={() => setMenu(true)}>
          <wa-icon name="menu" label={t.app.menu} />
        </wa-button>
        <Link href="/" class="brand">
          {t.app.title}
        </Link>
        <span class="space" />
        <NeedsSomebody />
        <Appearance />
        <Who />
      </header>
      <nav class="side" aria-label={t.app.navigation}>
        <Places path={path} />
      </nav>
      <wa-drawer
        label={t.app.navigation}
        placement="start"
        open={menu}
        light-dismiss
        onwa-hide={(event: Event) => event.target === event.currentTarget && setMenu(false)}
      >
        <nav aria-label={t.app.menu}>
          <Places path={path} />
        </nav>
      </wa-drawer>
      <main id="content" tabIndex={-1} class={away ? "stale" : ""}>
        <Away />
        {props.children}
      </main>
      <wa-toast placement="bottom-end" />
      {/* Loaded while the router answers, for the notice that it does not. */}
      <wa-icon name="warning" hidden />
    </div>
  );
}

function Places(props: { path: string }) {
  const t = useText();
  return (
    <ul class="places">
      {PLACES.map((place) => {
        const here = place.path === "/" ? props.path === "/" : props.path.startsWith(place.path);
        return (
          <li key={place.path}>
            <Link href={place.path} aria-current={here ? "page" : undefined}>
              <wa-icon name={place.icon} /> {t.pages[place.name]}
            </Link>
          </li>
        );
      })}
      <li>
        {/* A page of its own, not one of these. */}
        <a href="/api/docs" target="_blank" rel="noreferrer">
          <wa-icon name="api" /> {t.app.apiDocs}
        </a>
      </li>
    </ul>
  );
}

/** On every page: studies that a person should look at, and those that have failed. */
function NeedsSomebody() {
  const t = useText();
  const figures = useOverview().data;
  if (!figures) return null;
  const failed = figures.studies.failed ?? 0;
  return (
    <span class="alerts">
      {figures.needs_attention > 0 && (
        <Link href="/studies?attention=1" class="alert">
          <Badge tone="warning">{t.overview.attentionOf(figures.needs_attention)}</Badge>
        </Link>
      )}
      {failed > 0 && (
        <Link href="/studies?state=failed" class="alert">
          <Badge tone="danger">{t.overview.failedOf(failed)}</Badge>
        </Link>
      )}
    </span>
  );
}

function Away() {
  const t = useText();
  const format = useFormat();
  const away = useStore(connection.away);
  return (
    <div role="status" class="away">
      {away && <Notice tone="warning">{t.app.away(format.clock(away))}</Notice>}
    </div>
  );
}

function chosen(event: Event): string {
  return (event as CustomEvent<{ item: { value: string } }>).detail.item.value;
}

/** Language and theme, for those who want another one than the browser's. */
export function Appearance() {
  const t = useText();
  const locale = useLocale();
  const shown = useStore(theme);
  return (
    <>
      <wa-dropdown onwa-select={(event: Event) => setLocale(chosen(event) as Locale)}>
        <wa-button slot="trigger" appearance="plain" size="s">
          <wa-icon name="language" label={t.app.language} />
        </wa-button>
        {Object.entries(LANGUAGES).map(([value, language]) => (
          <wa-dropdown-item
            key={value}
            type="checkbox"
            value={value}
            checked={value === locale}
            lang={value}
          >
            {language.name}
          </wa-dropdown-item>
        ))}
      </wa-dropdown>
      <wa-dropdown onwa-select={(event: Event) => setTheme(chosen(event) as Theme)}>
        <wa-button slot="trigger" appearance="plain" size="s">
          <wa-icon name="theme" label={t.app.theme} />
        </wa-button>
        {(["auto", "light", "dark"] as const).map((value) => (
          <wa-dropdown-item key={value} type="checkbox" value={value} checked={value === shown}>
            {t.app.themes[value]}
          </wa-dropdown-item>
        ))}
      </wa-dropdown>
    </>
  );
}

function Who() {
  const t = useText();
  const { who } = useHere();
  const queries = useQueryClient();
  const leaving = useMutation({
    mutationFn: () => result(client.DELETE("/api/v1/session")),
    onSettled: () => queries.resetQueries(),
  });
  const [asked, ask] = useState(false);
  return (
    <>
      <wa-dropdown
        onwa-select={(event: Event) =>
          chosen(event) === "password" ? ask(true) : leaving.mutate()
        }
      >
        <wa-button slot="trigger" appearance="plain" size="s" with-caret>
          {who.name}
        </wa-button>
        <h2 class="wa-caption-m">{t.roles[who.role]}</h2>
        {who.kind === "user" && (
          <wa-dropdown-item value="password">{t.password.title}</wa-dropdown-item>
        )}
        <wa-dropdown-item value="sign-out">{t.app.signOut}</wa-dropdown-item>
      </wa-dropdown>
      {asked && <PasswordDialog onClose={() => ask(false)} />}
    </>
  );
}
