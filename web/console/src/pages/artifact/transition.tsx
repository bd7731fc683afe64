/** Takes an artifact to another state of its life: archives it, or brings it back. */
import { ask, documents, keyOf, queries, refuse } from '../../api';
import { Confirm } from '../../parts/dialog';
import { useMay } from '../../parts/may';
import type { Artifact } from '../artifact';

export function Transition({ artifact: { id, lifecycleState } }: { artifact: Artifact }) {
  const may = useMay();
  if (!may('artifacts:write')) return null;
  if (lifecycleState === 'READY')
    return <To id={id} to="ARCHIVED" name="Archive" words="It still resolves, and can be brought back." />;
  if (lifecycleState === 'ARCHIVED') return <To id={id} to="READY" name="Bring back" words="It is usable again." />;
  return null;
}

function To({ id, to, name, words }: { id: string; to: 'ARCHIVED' | 'READY'; name: string; words: string }) {
  async function change(reason: string | null) {
    try {
      const { data } = await ask(documents.TransitionArtifact, { input: { artifactId: id, to, reason } });
      refuse(data.transitionArtifact.errors);
    } finally {
      void queries.invalidateQueries({ queryKey: keyOf(documents.Artifact, { id }) });
    }
  }
  return (
    <Confirm
      name={name}
      title={`${name} this artifact?`}
      words={words}
      yes={name}
      reasonHelp="Kept in its history."
      run={change}
    />
  );
}
