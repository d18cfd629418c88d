// Every HTML file beside this one is a page of the multi-page build; Python serves the result.
// Knows nothing of routes: docs/protocol.md says which path answers with which page.
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

const pages = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".html"));

export default defineConfig({
  appType: "mpa",
  build: {
    target: "es2022",
    // Mini-app pages have an opaque origin: a data: URL would not be allowed by their policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: pages.map((name) => resolve(import.meta.dirname, name)) },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/whip", "/whep", "/images"]
        .map((path) => [path, { target: "http://127.0.0.1:8080" }] as const)
        .concat([["/ws", { target: "http://127.0.0.1:8080", ws: true } as { target: string }]]),
    ),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node", css: true },
});
