import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginning, extras, type Field, fieldOf, placeOf, type Schema, shows, withMember } from './schema';

const field = (schema: Schema) => fieldOf(schema, schema, 'parameters', true);

test('what a schema says plainly has a field, and the rest is JSON', () => {
  const kinds: [Schema, string][] = [
    [{ type: 'string' }, 'text'],
    [{ type: ['string', 'null'] }, 'text'],
    [{ type: 'integer' }, 'integer'],
    [{ type: 'boolean' }, 'boolean'],
    [{ enum: ['a', 'b'] }, 'choice'],
    [{ oneOf: [{ const: 'a' }, { const: 'b', description: 'b' }] }, 'choice'],
    [{ anyOf: [{ $ref: '#/$defs/Mode' }, { type: 'null' }], $defs: { Mode: { enum: ['strict'] } } }, 'choice'],
    [{ type: 'array', items: { type: 'string' } }, 'list'],
    [{ type: 'array', prefixItems: [{ type: 'string' }] }, 'json'],
    [{ type: 'object', properties: {} }, 'object'],
    [{ type: 'object', patternProperties: { a: {} }, properties: {} }, 'json'],
    [{ oneOf: [{ type: 'string' }, { type: 'integer' }] }, 'json'],
    [{ $ref: 'https://example.com/schema' }, 'json'],
    [{}, 'json'],
  ];
  for (const [schema, kind] of kinds) assert.equal(field(schema).kind, kind, JSON.stringify(schema));
});

test('a schema that refers to itself ends', () => {
  const tree: Schema = {
    $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
    $ref: '#/$defs/node',
  };
  let depth = 0;
  let at: Field | undefined = field(tree);
  while (at?.kind === 'object') {
    at = at.fields[0]?.[1];
    depth += 1;
  }
  assert.ok(depth > 2 && depth < 10);
});

test('a value that its field cannot show is not shown by it', () => {
  assert.ok(!shows(field({ type: 'string' }), 7));
  assert.ok(!shows(field({ enum: ['a'] }), 'b'));
  assert.ok(!shows(field({ type: 'object', properties: {} }), [1]));
  assert.ok(shows(field({ type: 'integer' }), undefined));
});

// The same numbers for the same seed.
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

type Random = ReturnType<typeof random>;

function anySchema(next: Random, depth: number): Schema {
  switch (next(depth > 0 ? 8 : 5)) {
    case 0:
      return { type: 'string' };
    case 1:
      return { type: 'integer' };
    case 2:
      return { type: 'boolean' };
    case 3:
      return { enum: ['a', 1, null] };
    case 4:
      return { oneOf: [{ type: 'string' }, { type: 'array' }] };
    case 5:
      return { type: 'array', items: anySchema(next, depth - 1) };
    default: {
      const names = ['a', 'b', 'c'].slice(0, 1 + next(3));
      return {
        type: 'object',
        properties: Object.fromEntries(names.map((name) => [name, anySchema(next, depth - 1)])),
      };
    }
  }
}

// Values that fit a schema, and some that do not.
function anyValue(next: Random, depth: number): unknown {
  switch (next(depth > 0 ? 8 : 6)) {
    case 0:
      return 'text';
    case 1:
      return '';
    case 2:
      return 7.25;
    case 3:
      return null;
    case 4:
      return true;
    case 5:
      return 'a';
    case 6:
      return [anyValue(next, depth - 1), anyValue(next, depth - 1)];
    default:
      return { a: anyValue(next, depth - 1), z: anyValue(next, depth - 1), c: anyValue(next, depth - 1) };
  }
}

// What the form would send without a change: each field gives back what it was given.
function through(of: Field, value: unknown): unknown {
  if (value === undefined || !shows(of, value)) return value;
  if (of.kind === 'list' && of.item) {
    const { item } = of;
    return (value as unknown[]).map((one) => through(item, one));
  }
  if (of.kind !== 'object') return value;
  let made: unknown = value;
  for (const [name, one] of of.fields)
    made = withMember(made, name, through(one, (value as Record<string, unknown>)[name]));
  return made;
}

test('from JSON to the form and back every value is the same, in the same order', () => {
  const next = random(11);
  for (let round = 0; round < 3_000; round += 1) {
    const schema = anySchema(next, 3);
    const value = anyValue(next, 3);
    assert.equal(JSON.stringify(through(field(schema), value)), JSON.stringify(value), JSON.stringify(schema));
  }
});

test('a member is set, left out, and others keep their place', () => {
  assert.equal(JSON.stringify(withMember({ a: 1, b: 2, c: 3 }, 'b', 9)), '{"a":1,"b":9,"c":3}');
  assert.equal(JSON.stringify(withMember({ a: 1, b: 2 }, 'a', undefined)), '{"b":2}');
  assert.deepEqual(withMember(undefined, 'a', 1), { a: 1 });
  assert.deepEqual(extras(field({ type: 'object', properties: { a: {} } }), { a: 1, z: 2 }), ['z']);
});

test('a form begins with the defaults of its schema', () => {
  const schema: Schema = { type: 'object', properties: { a: { type: 'integer', default: 3 }, b: { type: 'string' } } };
  assert.deepEqual(beginning(field(schema)), { a: 3 });
  assert.equal(placeOf(['input', 'parameters', 'list', '0']), 'list.0');
});
