/** Starts the dashboard. */
import "@awesome.me/webawesome/dist/styles/webawesome.css";
import "./dashboard.css";
import "./components";
import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startTheme } from "./theme";

startTheme();
startLanguage();

const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: false, networkMode: "always", refetchOnWindowFocus: "always" },
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
