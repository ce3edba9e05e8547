/** Signs in, then shows the page that the address names. */
import { useQueryClient } from "@tanstack/preact-query";
import { useEffect, useState } from "preact/hooks";
import { Route, Switch, useLocation } from "wouter-preact";
import { client, Problem, signIn } from "./api/client";
import { locale, useText } from "./i18n";
import { follow } from "./live";
import { Audit } from "./pages/audit";
import { Destinations } from "./pages/destinations";
import { Diagnostics } from "./pages/diagnostics";
import { Disk } from "./pages/disk";
import { Logs } from "./pages/logs";
import { Overview } from "./pages/overview";
import { Quarantine } from "./pages/quarantine";
import { Queues } from "./pages/queues";
import { Routes } from "./pages/routes";
import { Scanners } from "./pages/scanners";
import { SendMany } from "./pages/send-many";
import { Start } from "./pages/start";
import { Studies } from "./pages/studies";
import { Study } from "./pages/study";
import { Users } from "./pages/users";
import { HereProvider, useSession, useSite } from "./session";
import { Shell } from "./shell";
import { SignIn } from "./sign-in";
import { Heading, Loaded } from "./ui/basics";

/** The token of a link such as `/#token=…`, which is then no longer in the address. */
function takeToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** Whoever comes by a link before there is a destination is shown the first steps. */
async function guide(go: (path: string) => void): Promise<void> {
  const found = await client.GET("/api/v1/destinations", { params: { query: { limit: 1 } } });
  if (found.data?.items.length === 0) go("/start");
}

/** Whether a link's token was tried, so that it is known who this is. */
function useLink(): boolean {
  const queries = useQueryClient();
  const [tried, setTried] = useState(false);
  const [, go] = useLocation();
  useEffect(() => {
    async function take(): Promise<void> {
      const token = takeToken();
      if (token && (await signIn({ token }).catch(() => null))) await guide(go);
      setTried(true);
      if (token) await queries.invalidateQueries();
    }
    void take();
    const changed = () => void take();
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, [queries, go]);
  return tried;
}

export function App() {
  const tried = useLink();
  return tried ? <SignedIn /> : null;
}

function SignedIn() {
  const queries = useQueryClient();
  const session = useSession();
  const isStranger = session.error instanceof Problem && session.error.status === 401;
  const site = useSite(!isStranger && session.data !== undefined);
  const isHere = !isStranger && session.data !== undefined && site.data !== undefined;
  useEffect(() => (isHere ? follow(queries) : undefined), [isHere, queries]);
  useEffect(() => locale.follow(() => void queries.invalidateQueries()), [queries]);
  if (isStranger) return <SignIn />;
  if (!session.data || !site.data)
    return <Loaded of={session.data ? site : session}>{null}</Loaded>;
  return (
    <HereProvider value={{ who: session.data, site: site.data }}>
      <Shell>
        <Pages />
      </Shell>
    </HereProvider>
  );
}

function Pages() {
  const t = useText();
  return (
    <Switch>
      <Route path="/" component={Overview} />
      <Route path="/studies" component={Studies} />
      <Route path="/studies/:uid">{(params) => <Study uid={params.uid} />}</Route>
      <Route path="/queues" component={Queues} />
      <Route path="/destinations" component={Destinations} />
      <Route path="/routes" component={Routes} />
      <Route path="/scanners" component={Scanners} />
      <Route path="/diagnostics" component={Diagnostics} />
      <Route path="/disk" component={Disk} />
      <Route path="/send-many" component={SendMany} />
      <Route path="/logs" component={Logs} />
      <Route path="/quarantine" component={Quarantine} />
      <Route path="/users" component={Users} />
      <Route path="/audit" component={Audit} />
      <Route path="/start" component={Start} />
      <Route>
        <Heading title={t.app.notFound} />
      </Route>
    </Switch>
  );
}
