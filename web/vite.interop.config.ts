// Builds the page of foreign WHIP and WHEP clients that the end-to-end tests open; not part of the product.
import { resolve } from "node:path";
import { defineConfig } from "vite";

export default defineConfig({
  root: resolve(import.meta.dirname, "interop"),
  base: "./",
  build: { outDir: resolve(import.meta.dirname, ".interop"), emptyOutDir: true, target: "es2022" },
});
