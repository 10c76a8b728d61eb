// The documented snippets are TypeScript, for modules: this makes plain JavaScript of them.
const { transform } = require("sucrase");

/** What the source of a module exports, given what it imports, by name. */
exports.module = (source, imports) => {
  const { code } = transform(source, { transforms: ["typescript", "imports"] });
  const exported = {};
  new Function("require", "exports", code)((wanted) => imports[wanted], exported);
  return exported;
};

/** A source of statements, as they run. */
exports.statements = (source) => transform(source, { transforms: ["typescript"] }).code;
