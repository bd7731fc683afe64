/** The intent types that are registered, with their handlers. */
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { documents, type types, useAsk } from '../api';
import { Head, Icon, Panel } from '../parts';
import { TextFilter } from '../parts/controls';
import { Json } from '../parts/json';
import { useMaySubmit } from '../parts/may';
import { Empty, Ready } from '../parts/state';
import { span } from '../time';

const route = getRouteApi('/types');

type IntentType = types.IntentTypesQuery['intentTypes'][number];

export default function Types() {
  const { q } = route.useSearch();
  const navigate = useNavigate({ from: '/types' });
  const shown = useAsk(documents.IntentTypes, {}, { staleMs: 60_000 });
  return (
    <div className="page">
      <Head title="Types" below="What can be submitted, and who serves it" />
      <search className="filters">
        <TextFilter
          label="Name contains"
          placeholder="Name contains"
          value={q ?? ''}
          set={(text) => void navigate({ search: { q: text || undefined }, replace: true })}
        />
      </search>
      <Ready shown={shown} what="The list of types">
        {({ intentTypes }) => {
          const found = intentTypes.filter(({ name }) => name.includes(q ?? ''));
          if (found.length === 0)
            return (
              <Empty title={intentTypes.length === 0 ? 'No types are registered' : 'No type has this in its name'} />
            );
          return (
            <>
              {found.map((type) => (
                <Type key={type.name} type={type} />
              ))}
            </>
          );
        }}
      </Ready>
    </div>
  );
}

function Type({ type: { name, handlers } }: { type: IntentType }) {
  const maySubmit = useMaySubmit();
  return (
    <Panel
      title={name}
      more={
        <>
          <Link to="/executions" search={{ type: [name] }} className="action" aria-label={`Executions of ${name}`}>
            <Icon name="executions" />
            <span>Executions</span>
          </Link>
          {maySubmit(name) && (
            <Link to="/types/$name/new" params={{ name }} className="action main" aria-label={`Submit ${name}`}>
              <Icon name="play" />
              <span>Submit</span>
            </Link>
          )}
        </>
      }
    >
      {handlers.map((handler) => (
        <div key={handler.handlerName} className="inside handler">
          <p>{handler.description}</p>
          <p className="muted small">
            {[
              `handler ${handler.handlerName}`,
              handler.remote ? 'served by workers' : 'served by the nodes',
              handler.readOnly && 'changes nothing',
              `${handler.maxAttempts} ${handler.maxAttempts === 1 ? 'attempt' : 'attempts'}`,
              handler.attemptTimeoutMs && `${span(Number(handler.attemptTimeoutMs) * 1_000)} for an attempt`,
              handler.executionTimeoutMs && `${span(Number(handler.executionTimeoutMs) * 1_000)} for all`,
              handler.eligibleFor.length > 0 && `takes ${handler.eligibleFor.join(', ')}`,
            ]
              .filter(Boolean)
              .join(' · ')}
          </p>
          <details>
            <summary>Schema of its parameters</summary>
            <Json value={handler.parametersSchema} name={`schema of ${name}`} />
          </details>
        </div>
      ))}
    </Panel>
  );
}
