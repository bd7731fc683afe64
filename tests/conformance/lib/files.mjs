// The schema as the repository has it.

import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';

export const schemaFile = new URL('../../../schema.graphql', import.meta.url);

export function readSchema() {
  return buildSchema(readFileSync(schemaFile, 'utf8'));
}
