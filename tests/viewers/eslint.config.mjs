// The rules that tests/viewers/test_modules.py hands to ESLint. They are written out, so that nothing is to be installed.

const globals = [
  "Blob", "CustomEvent", "Image", "IntersectionObserver", "URL", "clearTimeout", "document", "localStorage", "location", "queueMicrotask",
  "setTimeout",
];

export default [
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "module",
      globals: Object.fromEntries(globals.map(name => [name, "readonly"])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      complexity: ["error", 10],
      eqeqeq: "error",
      "max-depth": ["error", 3],
      "max-lines-per-function": ["error", 45],
      "no-redeclare": "error",
      "no-sequences": "error",
      "no-shadow": "error",
      "no-undef": "error",
      "no-unused-expressions": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "one-var": ["error", "never"],
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
