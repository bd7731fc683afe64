import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { buildSchema, parse, validate } from 'graphql';
import * as documents from '../dist/documents.js';

test('every document of the client is valid for the schema', () => {
  const schema = buildSchema(readFileSync(new URL('../../../../schema.graphql', import.meta.url), 'utf8'));
  assert.ok(Object.keys(documents).length > 10);
  for (const [name, text] of Object.entries(documents)) {
    assert.deepEqual(validate(schema, parse(text)).map(({ message }) => message), [], name);
  }
});
