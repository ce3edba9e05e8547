/** What the pages ask for, and how often. */
import { useInfiniteQuery, useQuery } from "@tanstack/preact-query";
import { useMemo } from "preact/hooks";
import { client, result } from "./client";
import type { paths } from "./schema";

export type StudyFilters = NonNullable<paths["/api/v1/studies"]["get"]["parameters"]["query"]>;

/** Besides what the events bring: an event may be missed while the connection is down. */
const POLL_MS = 10_000;
const PAGE = 200;
const CALLS = 20;

interface Page<Item> {
  items: Item[];
  next: string | null;
}

/** A list, as many pages of it as were asked for. */
export function usePages<Item>(
  key: unknown[],
  ask: (page: { limit: number; cursor: string | undefined }) => Promise<Page<Item>>,
) {
  const found = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => ask({ limit: PAGE, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<Item>) => page.next ?? undefined,
    // All pages that are open are asked for anew: the more there are, the more seldom.
    refetchInterval: (query) => POLL_MS * Math.max(1, query.state.data?.pages.length ?? 1),
    placeholderData: (before) => before,
    structuralSharing: false,
  });
  const items = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  return { ...found, items };
}

export function useStudies(filters: StudyFilters) {
  return usePages(["studies", filters], (page) =>
    result(client.GET("/api/v1/studies", { params: { query: { ...filters, ...page } } })),
  );
}

export function useStudy(uid: string) {
  return useQuery({
    queryKey: ["study", uid],
    queryFn: () =>
      result(client.GET("/api/v1/studies/{study_uid}", { params: { path: { study_uid: uid } } })),
    refetchInterval: POLL_MS,
  });
}

export function useSeries(uid: string) {
  return useQuery({
    queryKey: ["study", uid, "series"],
    queryFn: () =>
      result(
        client.GET("/api/v1/studies/{study_uid}/series", {
          params: { path: { study_uid: uid }, query: { limit: 500 } },
        }),
      ),
    refetchInterval: POLL_MS,
  });
}

/** Which files of a study are there: with a key of its own, so that events don't ask for it. */
export function useFiles(uid: string, onDisk: boolean) {
  return useQuery({
    queryKey: ["files", uid],
    queryFn: () =>
      result(
        client.GET("/api/v1/studies/{study_uid}/files", { params: { path: { study_uid: uid } } }),
      ),
    refetchInterval: 30_000,
    enabled: onDisk, // nothing is there of one that is not
  });
}

export function useTimeline(uid: string) {
  return useQuery({
    queryKey: ["study", uid, "timeline"],
    queryFn: () =>
      result(
        client.GET("/api/v1/studies/{study_uid}/timeline", {
          params: { path: { study_uid: uid } },
        }),
      ),
    refetchInterval: POLL_MS,
  });
}

export function useDestinations() {
  return useQuery({
    queryKey: ["destinations"],
    queryFn: () =>
      result(client.GET("/api/v1/destinations", { params: { query: { limit: 500 } } })),
    refetchInterval: POLL_MS,
  });
}

/** Asked for now, and again every so often; events bring it sooner. */
export function useAsked<T>(key: string[], ask: () => Promise<T>, everyMs = POLL_MS) {
  return useQuery({ queryKey: key, queryFn: ask, refetchInterval: everyMs });
}

export function useOverview() {
  return useAsked(["studies", "overview"], () => result(client.GET("/api/v1/overview")));
}

export function useDiagnostics() {
  return useAsked(["diagnostics"], () => result(client.GET("/api/v1/diagnostics")));
}

export function useDisk() {
  return useAsked(["disk"], () => result(client.GET("/api/v1/disk")), 30_000);
}

export function useSenders() {
  return useAsked(["senders"], () =>
    result(client.GET("/api/v1/senders", { params: { query: { limit: 500 } } })),
  );
}

export function useRefused() {
  return useAsked(["associations", "rejected"], () =>
    result(
      client.GET("/api/v1/associations", {
        params: { query: { outcome: ["rejected"], limit: 200 } },
      }),
    ),
  );
}

/** Who called, newest first; of one AE title if it is given. */
export function useCalls(calling_ae_title: string) {
  return usePages(["associations", "calls", calling_ae_title], ({ cursor }) =>
    result(
      client.GET("/api/v1/associations", {
        params: { query: { calling_ae_title, limit: CALLS, cursor } },
      }),
    ),
  );
}

export function useQueues() {
  return useAsked(["queues"], () =>
    result(client.GET("/api/v1/queues", { params: { query: { limit: 500 } } })),
  );
}

export function useFailedDeliveries() {
  return usePages(["deliveries", "failed"], (page) =>
    result(
      client.GET("/api/v1/deliveries", {
        // Of one that was replaced, the delivery in its place tells.
        params: {
          query: { state: ["failed", "retrying", "cancelled"], replaced: false, ...page },
        },
      }),
    ),
  );
}
