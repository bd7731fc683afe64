// By graphql-codegen: the schema's types into generated/schema.ts, the example frontend's operations with their
// types into generated/api.ts.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';
import { schemaFile } from '../lib/files.mjs';

const read = (file) => parse(readFileSync(file, 'utf8'));
const operations = new URL('operations.graphql', import.meta.url);
const folder = new URL('generated/', import.meta.url);

async function generate(filename, pluginMap) {
  const text = await codegen({
    filename,
    schema: read(schemaFile),
    documents: [{ location: operations.pathname, document: read(operations) }],
    plugins: Object.keys(pluginMap).map((plugin) => ({ [plugin]: {} })),
    pluginMap,
    config: {
      strictScalars: true,
      useTypeImports: true,
      enumsAsTypes: true,
      scalars: { BigInt: 'string', DateTime: 'string', JSON: 'unknown' },
    },
  });
  writeFileSync(new URL(filename, folder), text);
}

mkdirSync(folder, { recursive: true });
await generate('schema.ts', { typescript });
await generate('api.ts', { typescriptOperations, typedDocumentNode });
