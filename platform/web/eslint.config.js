import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** Which parts a part may not take from; the picture is in README.md. */
const apart = (part, ...patterns) => ({
  files: [`${part}/src/**`],
  rules: { "no-restricted-imports": ["error", { patterns }] },
});

export default defineConfig(
  globalIgnores(["**/generated.ts", "**/dist/"]),
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", 300],
      // Numbers in sentences are what templates are for.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXOpeningElement[name.name=/^(input|textarea)$/] > JSXAttribute[name.name='dir'][value.value='auto']",
          message: "While it is empty it would read from left to right: dir={fieldDir(text)}.",
        },
      ],
    },
  },
  apart("client", "@deskbell/*", "preact", "preact/*", "@preact/*", "../../*"),
  apart("ui", "@deskbell/widget*", "@deskbell/console*", "../../*"),
  apart("widget", "@deskbell/console*", "**/console/**", "**/shop/**"),
  apart("console", "@deskbell/widget*", "**/widget/**", "**/shop/**"),
);
