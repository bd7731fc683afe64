// Random variations of the valid operations and documents: each is changed in one to three places, in ways that may break a
// rule.

import { Kind, isInputType, isObjectType, isInterfaceType, parse, print } from 'graphql';
import { documents } from './documents.mjs';
import { operations } from './operations.mjs';
import { random } from './random.mjs';
import { schema } from './reference.mjs';

const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));
const typeNames = [...types.map((type) => type.name), 'Nothing'];
const inputNames = types.filter(isInputType).map((type) => type.name);
const composites = types.filter((type) => isObjectType(type) || isInterfaceType(type));
const fieldNames = [...new Set(composites.flatMap((type) => Object.keys(type.getFields()))), '__typename', 'nothing'];
const argumentNames = ['id', 'ids', 'first', 'last', 'after', 'filter', 'input', 'orderBy', 'roots', 'if', 'nothing'];
const variableNames = ['id', 'first', 'after', 'filter', 'input', 'nothing'];
const aliases = ['id', 'name', 'a', 'type'];

export function* variations(seed, count) {
  const dice = random(seed);
  const read = (texts) => texts.map((text) => JSON.stringify(parse(text, { noLocation: true })));
  const large = read(operations);
  const small = read(Object.values(documents).flatMap((cases) => cases.valid));
  for (let made = 0; made < count; made += 1) yield variation(dice, JSON.parse(dice.pick(dice.pick([large, small]))));
}

function variation(dice, document) {
  for (let left = dice.pick([1, 1, 1, 2, 2, 3]); left > 0; left -= 1) change(dice, document);
  const text = print(document);
  return dice.chance(0.05) ? misspelt(dice, text) : text;
}

function misspelt(dice, text) {
  const at = dice.below(text.length);
  const put = dice.chance(0.5) ? '' : dice.pick([...'{}()[]:!$@"&|=.,#x1 -']);
  return text.slice(0, at) + put + text.slice(at + 1);
}

// Tries changes until one finds a place that it fits.
function change(dice, document) {
  for (let tries = 0; tries < 20; tries += 1) {
    const [kinds, apply] = dice.pick(changes);
    const places = found(document, kinds);
    if (places.length === 0) continue;
    apply(dice.pick(places), dice, document);
    return;
  }
}

// Every node of these kinds, with the list it stands in, if it does.
function found(node, kinds, list = null, places = []) {
  if (kinds.includes(node.kind)) places.push({ node, list });
  for (const child of Object.values(node)) {
    if (Array.isArray(child)) for (const item of child) found(item, kinds, child, places);
    else if (child !== null && typeof child === 'object') found(child, kinds, null, places);
  }
  return places;
}

const name = (value) => ({ kind: Kind.NAME, value });
const copy = (node) => JSON.parse(JSON.stringify(node));

function remove({ node, list }) {
  list?.splice(list.indexOf(node), 1);
}

function duplicate({ node, list }) {
  list?.push(copy(node));
}

function value(dice, depth = 0) {
  const scalars = [
    { kind: Kind.INT, value: '5' },
    { kind: Kind.INT, value: '9999999999' },
    { kind: Kind.FLOAT, value: '1.5' },
    { kind: Kind.STRING, value: 'text' },
    { kind: Kind.STRING, value: '2026-01-31T12:00:00Z' },
    { kind: Kind.STRING, value: '12' },
    { kind: Kind.BOOLEAN, value: true },
    { kind: Kind.NULL },
    { kind: Kind.ENUM, value: dice.pick(['RUNNING', 'READY', 'NEWEST_FIRST', 'MERGE', 'UPSTREAM', 'NOTHING']) },
    { kind: Kind.VARIABLE, name: name(dice.pick(variableNames)) },
  ];
  if (depth > 1 || dice.chance(0.75)) return dice.pick(scalars);
  if (dice.chance(0.5)) return { kind: Kind.LIST, values: times(dice.below(3), () => value(dice, depth + 1)) };
  const field = () => ({
    kind: Kind.OBJECT_FIELD,
    name: name(dice.pick(['status', 'sessionId', 'intentType', 'types', 'nothing'])),
    value: value(dice, depth + 1),
  });
  return { kind: Kind.OBJECT, fields: times(dice.below(3), field) };
}

function constant(dice) {
  const made = value(dice);
  return found(made, [Kind.VARIABLE]).length > 0 ? constant(dice) : made;
}

function times(count, make) {
  return Array.from({ length: count }, make);
}

function type(dice, named = dice.pick(dice.chance(0.8) ? inputNames : typeNames)) {
  let made = { kind: Kind.NAMED_TYPE, name: name(named) };
  if (dice.chance(0.4)) made = { kind: Kind.NON_NULL_TYPE, type: made };
  if (dice.chance(0.3)) made = { kind: Kind.LIST_TYPE, type: made };
  if (made.kind === Kind.LIST_TYPE && dice.chance(0.5)) made = { kind: Kind.NON_NULL_TYPE, type: made };
  return made;
}

// A directive that may stand at any selection.
function sound(dice) {
  const argument = { kind: Kind.ARGUMENT, name: name('if'), value: { kind: Kind.BOOLEAN, value: dice.chance(0.5) } };
  return { kind: Kind.DIRECTIVE, name: name(dice.pick(['skip', 'include'])), arguments: [argument] };
}

function directive(dice) {
  const named = dice.pick(['skip', 'include', 'include', 'skip', 'deprecated', 'nothing']);
  const given = dice.chance(0.85) ? { kind: Kind.BOOLEAN, value: dice.chance(0.5) } : value(dice);
  const argument = { kind: Kind.ARGUMENT, name: name(dice.chance(0.95) ? 'if' : 'unless'), value: given };
  return { kind: Kind.DIRECTIVE, name: name(named), arguments: dice.chance(0.93) ? [argument] : [] };
}

function namedType(node) {
  return node.kind === Kind.NAMED_TYPE ? node.name.value : namedType(node.type);
}

const selections = [Kind.FIELD, Kind.FRAGMENT_SPREAD, Kind.INLINE_FRAGMENT];
const directed = [...selections, ...selections, Kind.OPERATION_DEFINITION, Kind.FRAGMENT_DEFINITION, Kind.VARIABLE_DEFINITION];

// Which nodes a change is for, and what it does to one.
const changes = [
  [selections, remove],
  [selections, remove],
  [selections, remove],
  [selections, duplicate],
  [selections, duplicate],
  [selections, ({ node }, dice) => { node.directives = [sound(dice)]; }],
  [selections, ({ node }, dice) => { node.directives = [sound(dice)]; }],
  [[Kind.FIELD], ({ node }, dice) => { node.alias = name(`unique${dice.below(1000)}`); }],
  [[Kind.SELECTION_SET], ({ node }, dice) => {
    const typeCondition = undefined;
    node.selections = [{ kind: Kind.INLINE_FRAGMENT, typeCondition, directives: [sound(dice)], selectionSet: copy(node) }];
  }],
  [[Kind.SELECTION_SET], ({ node }) => {
    node.selections.push({ kind: Kind.FIELD, name: name('__typename'), arguments: [], directives: [] });
  }],
  [[Kind.VARIABLE_DEFINITION], ({ node }) => {
    if (node.type.kind !== Kind.NON_NULL_TYPE) node.type = { kind: Kind.NON_NULL_TYPE, type: node.type };
  }],
  [[Kind.FIELD], ({ node }, dice) => { node.name = name(dice.pick(fieldNames)); }],
  [[Kind.FIELD], ({ node }, dice) => { node.alias = name(dice.pick(aliases)); }],
  [[Kind.FIELD], ({ node, list }, dice) => {
    const second = copy(node);
    second.name = name(dice.pick(fieldNames));
    second.alias = name((node.alias ?? node.name).value);
    list.push(second);
  }],
  [[Kind.FIELD], ({ node, list }, dice) => {
    const second = copy(node);
    for (const argument of second.arguments) if (dice.chance(0.5)) argument.value = value(dice);
    list.push(second);
  }],
  [[Kind.FIELD], ({ node }) => { delete node.selectionSet; }],
  [[Kind.FIELD], ({ node }, dice) => {
    node.selectionSet ??= { kind: Kind.SELECTION_SET, selections: [] };
    node.selectionSet.selections.push({ kind: Kind.FIELD, name: name(dice.pick(fieldNames)), arguments: [], directives: [] });
  }],
  [[Kind.FIELD], ({ node }, dice) => {
    node.arguments.push({ kind: Kind.ARGUMENT, name: name(dice.pick(argumentNames)), value: value(dice) });
  }],
  [[Kind.FIELD, Kind.INLINE_FRAGMENT], ({ node }, dice) => {
    if (!node.selectionSet) return;
    node.selectionSet.selections = [{
      kind: Kind.INLINE_FRAGMENT,
      typeCondition: dice.chance(0.7) ? { kind: Kind.NAMED_TYPE, name: name(dice.pick(typeNames)) } : undefined,
      directives: dice.chance(0.3) ? [directive(dice)] : [],
      selectionSet: copy(node.selectionSet),
    }];
  }],
  [[Kind.SELECTION_SET], ({ node }, dice, document) => {
    const names = found(document, [Kind.FRAGMENT_DEFINITION]).map((place) => place.node.name.value);
    const spread = dice.chance(0.9) && names.length > 0 ? dice.pick(names) : 'Nothing';
    node.selections.push({ kind: Kind.FRAGMENT_SPREAD, name: name(spread), directives: [] });
  }],
  [[Kind.ARGUMENT, Kind.OBJECT_FIELD], remove],
  [[Kind.ARGUMENT, Kind.OBJECT_FIELD], duplicate],
  [[Kind.ARGUMENT, Kind.OBJECT_FIELD], ({ node }, dice) => { node.name = name(dice.pick([...argumentNames, 'status'])); }],
  [[Kind.ARGUMENT, Kind.OBJECT_FIELD], ({ node }, dice) => { node.value = value(dice); }],
  [[Kind.ARGUMENT, Kind.OBJECT_FIELD], ({ node }) => { node.value = { kind: Kind.LIST, values: [node.value] }; }],
  [[Kind.VARIABLE_DEFINITION], remove],
  [[Kind.VARIABLE_DEFINITION], duplicate],
  [[Kind.VARIABLE_DEFINITION], ({ node }, dice) => { node.type = type(dice); }],
  [[Kind.VARIABLE_DEFINITION], ({ node }, dice) => { node.type = type(dice, namedType(node.type)); }],
  [[Kind.VARIABLE_DEFINITION], ({ node }, dice) => { node.defaultValue = constant(dice); }],
  [[Kind.VARIABLE_DEFINITION], ({ node }) => { delete node.defaultValue; }],
  [[Kind.VARIABLE], ({ node }, dice) => { node.name = name(dice.pick(variableNames)); }],
  [[Kind.FRAGMENT_DEFINITION], remove],
  [[Kind.FRAGMENT_DEFINITION], duplicate],
  [[Kind.FRAGMENT_DEFINITION, Kind.INLINE_FRAGMENT], ({ node }, dice) => {
    node.typeCondition = { kind: Kind.NAMED_TYPE, name: name(dice.pick(typeNames)) };
  }],
  [[Kind.FRAGMENT_SPREAD, Kind.FRAGMENT_DEFINITION], ({ node }) => { node.name = name('Nothing'); }],
  [[Kind.OPERATION_DEFINITION], duplicate],
  [[Kind.OPERATION_DEFINITION], ({ node }, dice) => { node.operation = dice.pick(['query', 'mutation', 'subscription']); }],
  [[Kind.OPERATION_DEFINITION], ({ node, list }) => {
    const second = copy(node);
    second.name = name('Another');
    list.push(second);
  }],
  [directed, ({ node }, dice) => { (node.directives ??= []).push(directive(dice)); }],
  [directed, ({ node }, dice) => { (node.directives ??= []).push(directive(dice)); }],
  [[Kind.DIRECTIVE], remove],
  [[Kind.DIRECTIVE], duplicate],
];
