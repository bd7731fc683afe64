// schema.graphql by the rules of graphql-eslint: the recommended ones, those of Relay, and a description on
// everything. Where a rule contradicts what the API means, it is off or has exceptions, each with its reason.

import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import graphql from '@graphql-eslint/eslint-plugin';
import { schemaFile } from '../lib/files.mjs';

const recommended = graphql.configs['flat/schema-recommended'].rules;
const relay = graphql.configs['flat/schema-relay'].rules;

const [severity, naming] = recommended['@graphql-eslint/naming-convention'];

const changed = {
  // A description of one line is written on one line, as in the specification's own examples.
  '@graphql-eslint/description-style': 'off',
  // `IntentType` is a type of intents: the word belongs to the name.
  '@graphql-eslint/naming-convention': [
    severity,
    { ...naming, 'ObjectTypeDefinition,ObjectTypeExtension': { forbiddenPrefixes: ['Type'] } },
  ],
  // `Intent.intentType` and `Artifact.artifactType` are called like the arguments and filters for them; the rule
  // has no exceptions.
  '@graphql-eslint/no-typename-prefix': 'off',
  // On everything; the standard directives come as the library describes them.
  '@graphql-eslint/require-description': [
    'error',
    {
      types: true,
      rootField: true,
      DirectiveDefinition: true,
      EnumValueDefinition: true,
      FieldDefinition: true,
      InputValueDefinition: true,
      ignoredSelectors: ['DirectiveDefinition[name.value=/^(include|skip|specifiedBy)$/] > InputValueDefinition'],
    },
  ],
  // Values have no identity. What is neither in this list nor called like a page or a payload must have an id.
  '@graphql-eslint/strict-id-in-types': [
    'error',
    {
      exceptions: {
        suffixes: ['Connection', 'Edge', 'Payload'],
        types: [
          'ArtifactTransition',
          'ArtifactsPreview',
          'ConcurrencyLimit',
          'EarlierError',
          'ExecutionChanges',
          'ExecutionError',
          'ExecutionEventBatch',
          'ExecutionStats',
          'ExecutionStatsPoint',
          'ExecutionStep',
          'ExecutionsPreview',
          'PayloadPreview',
          'FailureGroup',
          'IdempotencyKeyConflict',
          'IntentHandler',
          'IntentType',
          'InvalidTransition',
          'Lineage',
          'LineageNode',
          'LogCheckpoint',
          'NodeLabel',
          'OperationRefusal',
          'PageInfo',
          'PlainUserError',
          'PolicyDenied',
          'ProducedBy',
          'ScheduleError',
          'QuotaExceeded',
          'RateLimit',
          'RuntimeBacklog',
          'RuntimeStatus',
          'StaleVersion',
          'Timeline',
          'TotalCount',
          'Viewer',
          'WebhookFilter',
        ],
      },
    },
  ],
  // Events and log entries are read forwards only.
  '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
  // Short lists that are always whole are lists (`errors`, `steps`, `nodes` of a page), and entries of the log
  // cannot be fetched by `node`.
  '@graphql-eslint/relay-edge-types': [
    'error',
    { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
  ],
};

const config = {
  files: ['**/*.graphql'],
  languageOptions: {
    parser: graphql.parser,
    parserOptions: { graphQLConfig: { schema: fileURLToPath(schemaFile) } },
  },
  plugins: { '@graphql-eslint': graphql },
  rules: { ...recommended, ...relay, ...changed },
};

const root = fileURLToPath(new URL('.', schemaFile));
const eslint = new ESLint({ cwd: root, overrideConfigFile: true, overrideConfig: config });
const results = await eslint.lintFiles(['schema.graphql']);
const formatter = await eslint.loadFormatter('stylish');
console.log((await formatter.format(results)) || `${Object.keys(config.rules).length} rules find nothing`);
const problems = results.reduce((sum, result) => sum + result.errorCount + result.warningCount, 0);
// Nothing linted would find nothing either.
process.exitCode = results.length === 1 && problems === 0 ? 0 : 1;
