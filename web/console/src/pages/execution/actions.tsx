/** What can be done with an execution: cancel it, run it again. */
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, keyOf, queries, refuse, told } from '../../api';
import { Icon } from '../../parts';
import { Confirm } from '../../parts/dialog';
import { useMay, useMaySubmit } from '../../parts/may';
import type { Execution } from './shown';

const isOver = ({ finishedAt }: Execution) => finishedAt !== null;

export function Actions({ execution }: { execution: Execution }) {
  const may = useMay();
  const maySubmit = useMaySubmit();
  const { id, rerunOf, intent } = execution;
  const mayControl = may('executions:control');
  return (
    <>
      <Link to="/compare" search={{ a: rerunOf?.id ?? id, b: rerunOf ? id : undefined }} className="action">
        <Icon name="compare" />
        <span>{rerunOf ? 'Compare with the former' : 'Compare'}</span>
      </Link>
      {maySubmit(intent.intentType) && (
        <Link
          to="/types/$name/new"
          params={{ name: intent.intentType }}
          search={{ from: id, session: intent.session.id }}
          className="action"
        >
          <Icon name="edit" />
          <span>Edit and submit</span>
        </Link>
      )}
      {mayControl && (isOver(execution) ? <Rerun execution={execution} /> : <Cancel execution={execution} />)}
    </>
  );
}

function Cancel({ execution: { id, cancelRequestedAt } }: { execution: Execution }) {
  async function cancel(reason: string | null) {
    try {
      const { data } = await ask(documents.CancelExecution, { input: { executionId: id, reason } });
      refuse(data.cancelExecution.errors);
    } finally {
      void queries.invalidateQueries({ queryKey: keyOf(documents.Execution, { id }) });
    }
  }
  return (
    <Confirm
      icon="stop"
      kind="danger"
      isDisabled={cancelRequestedAt !== null}
      name={cancelRequestedAt ? 'Cancelling' : 'Cancel'}
      title="Cancel this execution?"
      words="Everything below it ends, too. What its handlers have done outside stays done."
      yes="Cancel the execution"
      no="Keep it"
      reasonHelp="Kept in the log."
      run={cancel}
    />
  );
}

function Rerun({ execution: { id } }: { execution: Execution }) {
  const navigate = useNavigate();
  // One key for each opening of the page: pressing twice runs once.
  const [key, setKey] = useState(() => crypto.randomUUID());
  async function rerun() {
    const { data } = await ask(documents.RerunExecution, { input: { executionId: id, idempotencyKey: key } });
    const { errors, execution: made } = data.rerunExecution;
    if (!made) throw new Error(told(errors));
    setKey(crypto.randomUUID());
    void navigate({ to: '/executions/$id', params: { id: made.id } });
  }
  return (
    <Confirm
      icon="again"
      name="Run again"
      title="Run it again?"
      words="A new execution of the same intent, with the same parameters. This one stays as it is; what its handlers have done outside is done again."
      yes="Run again"
      run={rerun}
    />
  );
}
