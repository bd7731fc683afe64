// What graphql-js says about a document.

import { GraphQLError, Kind, parse, specifiedRules, validate } from 'graphql';
import { readSchema } from '../lib/files.mjs';

export const schema = readSchema();
export const rules = specifiedRules;

// A schema from its text takes any literal for a custom scalar; these two say what they take.
const dateTime = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
schema.getType('DateTime').parseLiteral = (node) => {
  if (node.kind !== Kind.STRING || !dateTime.test(node.value)) throw new GraphQLError('not a DateTime');
  return node.value;
};
schema.getType('BigInt').parseLiteral = (node) => {
  const isNumber = (node.kind === Kind.STRING || node.kind === Kind.INT) && /^[+-]?\d+$/.test(node.value);
  if (!isNumber || BigInt.asIntN(64, BigInt(node.value)) !== BigInt(node.value)) {
    throw new GraphQLError('not a BigInt');
  }
  return node.value;
};

// The document, or null when graphql-js cannot parse it.
export function parsed(text) {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

// The rules that the document breaks; `parse` when it does not come so far.
export function broken(text) {
  const document = parsed(text);
  if (document === null) return ['parse'];
  return rules.filter((rule) => !keeps(document, rule)).map((rule) => rule.name);
}

// SingleFieldSubscriptionsRule throws when a root field's @skip is faulty.
function keeps(document, rule) {
  try {
    return validate(schema, document, [rule]).length === 0;
  } catch (error) {
    if (error instanceof GraphQLError) return false;
    throw error;
  }
}

// Whether @skip or @include stands at the root of a subscription. graphql-js 16 takes the values into account
// when it counts the fields there; later editions of the specification forbid the directives.
export function isUndecided(text) {
  const roots = (parsed(text)?.definitions ?? []).filter(
    ({ operation, typeCondition }) => operation === 'subscription' || typeCondition?.name.value === 'Subscription',
  );
  return roots.some(hasConditions);
}

function hasConditions({ selectionSet }) {
  return selectionSet.selections.some(
    (selection) =>
      selection.directives.some(({ name }) => name.value === 'skip' || name.value === 'include') ||
      (selection.kind === Kind.INLINE_FRAGMENT && hasConditions(selection)),
  );
}
