/** What is selected in the timeline: a step with its result, an execution with its facts. */
import { documents, useAsk } from '../../api';
import { ExecutionLink, Facts, Id, Lasting, Time } from '../../parts';
import { Aside } from '../../parts/aside';
import { Payload } from '../../parts/payload';
import { Ready } from '../../parts/state';
import { Status } from '../../parts/status';
import type { Execution } from './shown';

export function Selected({ at, execution, close }: { at: string; execution: Execution; close(): void }) {
  const [kind, id = '', ...rest] = at.split(':');
  const name = rest.join(':');
  if (kind !== 'exe' && kind !== 'stp') return null;
  return (
    <Aside title={kind === 'stp' ? name : 'Execution'} close={close}>
      {kind === 'stp' ? <Step id={id} name={name} /> : <Other id={id} isShown={id === execution.id} />}
    </Aside>
  );
}

function Step({ id, name }: { id: string; name: string }) {
  const shown = useAsk(documents.StepResult, { id, name });
  return (
    <Ready shown={shown} what="The step">
      {({ execution }) => {
        const step = execution?.step;
        if (!step) return <p className="inside muted">This step is not recorded.</p>;
        return (
          <>
            <Facts
              of={[
                ['Began', <Time key="began" at={step.startedAt} isWhole />],
                ['Took', <Lasting key="took" from={step.startedAt} to={step.finishedAt} />],
                ['Attempt', step.attempt],
              ]}
            />
            <Payload of={step.resultPreview} name={`result of ${name}`} />
          </>
        );
      }}
    </Ready>
  );
}

function Other({ id, isShown }: { id: string; isShown: boolean }) {
  const shown = useAsk(documents.ExecutionSpan, { id });
  return (
    <Ready shown={shown} what="The execution">
      {({ execution }) =>
        execution ? (
          <Facts
            of={[
              [
                'Intent',
                isShown ? (
                  execution.intent.intentType
                ) : (
                  <ExecutionLink key="link" id={id}>
                    {execution.intent.intentType}
                  </ExecutionLink>
                ),
              ],
              ['Status', <Status key="status" of={execution.status} waiting={execution.waitingFor} />],
              ['Id', <Id key="id" id={id} />],
              ['Created', <Time key="created" at={execution.createdAt} isWhole />],
              ['Ran', <Lasting key="ran" from={execution.startedAt} to={execution.finishedAt} />],
              ['Attempt', execution.attempt || '–'],
              ...(execution.error
                ? [['Error', `${execution.error.code}: ${execution.error.message}`] as [string, string]]
                : []),
            ]}
          />
        ) : (
          <p className="inside muted">It is no longer kept.</p>
        )
      }
    </Ready>
  );
}
