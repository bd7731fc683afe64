// What the server says about a document, without running it.

import { Kind } from 'graphql';
import { post } from '../lib/server.mjs';
import { parsed } from './reference.mjs';

// A document is validated as a whole, and one operation of it is run: one that does nothing is added and
// named. That would break a document with an anonymous operation, or one that does not parse, so those are
// sent as they are.
const probe = '\nquery ConformanceProbe { probe: __typename }\n';

export async function ask(text) {
  const isProbed = takesProbe(text);
  const request = isProbed ? { query: text + probe, operationName: 'ConformanceProbe' } : { query: text };
  const { status, body } = await post(request);
  const errors = body.errors ?? [];
  const codes = errors.map((error) => error.extensions?.code);
  if (status >= 500 || codes.some((code) => code !== undefined && code !== 'BAD_USER_INPUT' && !wasRun(body))) {
    throw new Error(`status ${status}, ${JSON.stringify(body)} to ${text}`);
  }
  const accepted = isProbed ? errors.length === 0 && body.data?.probe === 'Query' : wasRun(body);
  return { accepted, reason: errors.map((error) => error.message).join('; ') };
}

// An error of a field that ran has a path; one of a request that was refused has none.
function wasRun({ data, errors = [] }) {
  return (data !== undefined && data !== null) || errors.some((error) => error.path !== undefined);
}

function takesProbe(text) {
  const document = parsed(text);
  return document !== null && document.definitions.every(isNamed);
}

function isNamed(definition) {
  return definition.kind !== Kind.OPERATION_DEFINITION || definition.name !== undefined;
}
