// Makes src/api/generated from schema.graphql and the documents of the pages: `documents.ts`, each operation with the
// fragments it needs as one text, and with `--types` also `types.ts`, which the compiler alone needs.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buildSchema, Kind, parse, print, specifiedRules, stripIgnoredCharacters, validate, visit } from 'graphql';

const root = new URL('../', import.meta.url);
const made = new URL('src/api/generated/', root);
const schemaText = readFileSync(new URL('../../schema.graphql', root), 'utf8');
const schema = buildSchema(schemaText);

const files = readdirSync(new URL('src/', root), { recursive: true })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.graphql'))
  .sort();
const sources = files.map((name) => parse(readFileSync(new URL(`src/${name}`, root), 'utf8')));
const all = { kind: Kind.DOCUMENT, definitions: sources.flatMap(({ definitions }) => definitions) };
const faults = validate(schema, all, specifiedRules);
if (faults.length > 0) throw new Error(faults.map(String).join('\n'));

const fragments = new Map();
for (const definition of all.definitions) {
  if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
}

// The fragments that a definition stands on, each once.
function needed(definition, found = new Set()) {
  visit(definition, {
    FragmentSpread({ name }) {
      const fragment = fragments.get(name.value);
      if (!found.has(fragment)) needed(fragment, found.add(fragment));
    },
  });
  return found;
}

const operations = all.definitions
  .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
  .map((definition) => {
    const document = { kind: Kind.DOCUMENT, definitions: [definition, ...needed(definition)] };
    const text = stripIgnoredCharacters(print(document));
    const hash = createHash('sha256').update(text).digest('hex');
    return { name: definition.name.value, operation: definition.operation, text, hash };
  });

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const lines = operations.map(({ name, operation, text }) => {
  const type = `${name}${capital(operation)}`;
  return `export const ${name}: Document<T.${type}, T.${type}Variables> = { name: '${name}', text: ${JSON.stringify(text)} };`;
});
mkdirSync(made, { recursive: true });
writeFileSync(
  new URL('documents.ts', made),
  [
    '// Made by scripts/generate.mjs.',
    "import type { Document } from '../document';",
    "import type * as T from './types';",
    '',
    ...lines,
    '',
  ].join('\n'),
);
writeFileSync(
  new URL('manifest.json', made),
  JSON.stringify(Object.fromEntries(operations.map(({ hash, text }) => [hash, text])), null, 1),
);

if (process.argv.includes('--types')) {
  const { codegen } = await import('@graphql-codegen/core');
  const operationTypes = await import('@graphql-codegen/typescript-operations');
  const scalars = { BigInt: { input: 'string', output: 'string' }, DateTime: 'string', ID: 'string', JSON: 'unknown' };
  const types = await codegen({
    schema: parse(schemaText),
    documents: files.map((location, at) => ({ location, document: sources[at] })),
    filename: 'types.ts',
    config: { scalars, enumsAsTypes: true, useTypeImports: true, skipTypename: false, strictScalars: true },
    plugins: [{ operations: {} }],
    pluginMap: { operations: operationTypes },
  });
  writeFileSync(new URL('types.ts', made), types);
}
