/**
 * A form made from a JSON Schema. The form and the JSON are two views of one value: the form shows what it knows how to
 * show, and whatever a schema says beyond that is edited as JSON, so that no value is changed by being shown.
 */

export type Schema = { readonly [name: string]: unknown };

export interface Field {
  kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'object' | 'list' | 'json';
  title: string;
  help: string;
  isRequired: boolean;
  schema: Schema;
  /** Of a choice. */
  choices: unknown[];
  /** Of an object. */
  fields: [string, Field][];
  /** Of a list. */
  item: Field | undefined;
  isSecret: boolean;
  isLong: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Follows a `$ref` within the document. */
function resolve(schema: Schema, root: Schema): Schema | undefined {
  const { $ref, ...rest } = schema;
  if (typeof $ref !== 'string') return schema;
  if (!$ref.startsWith('#/')) return undefined;
  let at: unknown = root;
  for (const part of $ref.slice(2).split('/')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = isObject(at) ? at[name] : undefined;
  }
  return isObject(at) ? { ...at, ...rest } : undefined;
}

const deepest = 5;
/** Keywords whose meaning a plain field would not keep. */
const beyond = [
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'if',
  'patternProperties',
  'dependentSchemas',
  'prefixItems',
  '$dynamicRef',
];

export function fieldOf(given: unknown, root: Schema, name: string, isRequired: boolean, depth = 0): Field {
  const schema = isObject(given) ? (resolve(given, root) ?? {}) : {};
  const text = (key: string) => (typeof schema[key] === 'string' ? (schema[key] as string) : '');
  const base: Field = {
    kind: 'json',
    title: text('title') || name,
    help: text('description'),
    isRequired,
    schema,
    choices: [],
    fields: [],
    item: undefined,
    isSecret: schema.writeOnly === true,
    isLong: /content|text|body|query/i.test(name) || Number(schema.maxLength) > 200,
  };
  const nullable = nonNull(schema);
  const inner = nullable ? resolve(nullable, root) : schema;
  const choices = inner && choicesOf(inner);
  if (choices) return { ...base, kind: 'choice', choices: nullable ? [...choices, null] : choices };
  if (!inner || beyond.some((keyword) => keyword in inner) || depth > deepest) return base;
  const types = (Array.isArray(inner.type) ? inner.type : [inner.type]).filter((type) => type !== 'null');
  if (types.length !== 1) return base;
  switch (types[0]) {
    case 'string':
      return { ...base, kind: 'text' };
    case 'integer':
    case 'number':
      return { ...base, kind: types[0] };
    case 'boolean':
      return { ...base, kind: 'boolean' };
    case 'array':
      return isObject(inner.items)
        ? { ...base, kind: 'list', item: fieldOf(inner.items, root, 'item', true, depth + 1) }
        : base;
    case 'object': {
      if (!isObject(inner.properties)) return base;
      const required = Array.isArray(inner.required) ? inner.required : [];
      const fields = Object.entries(inner.properties).map(([key, value]): [string, Field] => [
        key,
        fieldOf(value, root, key, required.includes(key), depth + 1),
      ]);
      fields.sort(([, a], [, b]) => Number(b.isRequired) - Number(a.isRequired));
      return { ...base, kind: 'object', fields };
    }
    default:
      return base;
  }
}

/** The values of a schema that is one of some, each by itself or with a description. */
function choicesOf({ enum: values, oneOf, anyOf }: Schema): unknown[] | undefined {
  if (Array.isArray(values)) return values;
  const branches = oneOf ?? anyOf;
  if (!Array.isArray(branches) || branches.length === 0) return undefined;
  const all = branches.map((one) =>
    isObject(one) && 'const' in one ? [one.const] : isObject(one) && Array.isArray(one.enum) ? one.enum : undefined,
  );
  return all.every((one) => one !== undefined) ? all.flat() : undefined;
}

/** The other branch of a schema that is one thing or null. */
function nonNull(schema: Schema): Schema | undefined {
  const branches = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(branches) || branches.length !== 2) return undefined;
  const isNull = (one: unknown) => isObject(one) && one.type === 'null';
  const other = branches.find((one) => !isNull(one));
  return branches.some(isNull) && isObject(other) ? other : undefined;
}

/** Whether a field can show a value without losing any of it. */
export function shows(field: Field, value: unknown): boolean {
  if (value === undefined) return true;
  switch (field.kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
    case 'integer':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return field.choices.some((choice) => JSON.stringify(choice) === JSON.stringify(value));
    case 'object':
      return isObject(value);
    case 'list':
      return Array.isArray(value);
    case 'json':
      return true;
  }
}

/** A value with one member changed; undefined takes the member away. Other members keep their place. */
export function withMember(value: unknown, name: string, member: unknown): Record<string, unknown> {
  const before = isObject(value) ? value : {};
  if (member !== undefined) return { ...before, [name]: member };
  return Object.fromEntries(Object.entries(before).filter(([key]) => key !== name));
}

/** Members of a value that its schema does not name. */
export function extras(field: Field, value: unknown): string[] {
  if (!isObject(value)) return [];
  return Object.keys(value).filter((name) => !field.fields.some(([known]) => known === name));
}

/** What a schema offers to begin with: defaults, and empty members where one is required. */
export function beginning(field: Field): unknown {
  if ('default' in field.schema) return field.schema.default;
  if (field.kind !== 'object') return undefined;
  const members = field.fields.map(([name, one]): [string, unknown] => [name, beginning(one)]);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

/** The place of a mistake that the server tells: `["input", "parameters", "a", "0"]` is `a.0`. */
export const placeOf = (path: readonly string[]) => path.slice(2).join('.');
