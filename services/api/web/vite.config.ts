import preact from "@preact/preset-vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [preact()],
  build: {
    // Nothing is inlined: the router's Content-Security-Policy allows files of its own only.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["index.html", "docs.html"] },
    // Swagger UI, which the dashboard does not load.
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8501" } },
  test: { include: ["tests/**/*.test.ts"] },
});
