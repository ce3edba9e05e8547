/** Starts the dashboard. */
import "@awesome.me/webawesome/dist/styles/webawesome.css";
import "./dashboard.css";
import "./components";
import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { Problem } from "./api/client";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startTheme } from "./theme";

/** What the router can't do now it can mostly do a moment later: a word on it would only flicker. */
function isPassing(failures: number, error: Error): boolean {
  return error instanceof Problem && error.status === 503 && failures < 2;
}

startTheme();
startLanguage();

const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: isPassing, networkMode: "always", refetchOnWindowFocus: "always" },
    mutations: { networkMode: "always" },
  },
});
const root = document.getElementById("dashboard");
if (root) {
  render(
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>,
    root,
  );
}
