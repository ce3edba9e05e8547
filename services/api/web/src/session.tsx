/** Who is at the screen, and the site whose clock counts. */
import { useQuery } from "@tanstack/preact-query";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { client, Problem, type Role, result, type Schemas } from "./api/client";
import { Format } from "./format";
import { useLocale } from "./i18n";

const ORDER: Role[] = ["viewer", "operator", "admin"];

export interface Here {
  who: Schemas["Session"];
  site: Schemas["Site"];
}

const AGAIN_AFTER_MS = 3000;

/** A router that was away is asked again; one that knows nobody by this cookie is not. */
function again(query: { state: { error: Error | null } }): number | false {
  const { error } = query.state;
  const isStranger = error instanceof Problem && error.status === 401;
  return error && !isStranger ? AGAIN_AFTER_MS : false;
}

const HereContext = createContext<Here | null>(null);
export const HereProvider = HereContext.Provider;

export function useHere(): Here {
  const here = useContext(HereContext);
  if (!here) throw new Error("This is shown to nobody who has not signed in.");
  return here;
}

/** Whether who is signed in may do what needs this role. */
export function useMay(): (needed: Role) => boolean {
  const { who } = useHere();
  return (needed) => ORDER.indexOf(who.role) >= ORDER.indexOf(needed);
}

/** Times, sizes and counts in the language, by the site's clock. */
export function useFormat(): Format {
  return new Format(useLocale(), useHere().site.time_zone);
}

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: () => result(client.GET("/api/v1/session")),
    staleTime: 60_000,
    refetchInterval: again,
  });
}

export function useSite(enabled: boolean) {
  return useQuery({
    queryKey: ["site"],
    queryFn: () => result(client.GET("/api/v1/site")),
    staleTime: Number.POSITIVE_INFINITY,
    refetchInterval: again,
    enabled,
  });
}
