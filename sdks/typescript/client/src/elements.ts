// Custom elements for pages without a framework. They follow the page's `color-scheme`, keep their style in a shadow root
// without inline styles, and say in words what they show by colour.
//
//   defineElements(createClient({ url }));
//   <takeoff-execution id="exe_…"></takeoff-execution>
//   <takeoff-lineage artifact="art_…" direction="BOTH" max-depth="3"></takeoff-lineage>

import type { Client } from './client.js';
import type { TakeoffError } from './error.js';
import { connectionOfExecution, liveExecution } from './live.js';
import { lineagePicture, lineageTable } from './picture.js';
import { make } from './make.js';
import { sheets } from './style.js';
import type { ExecutionStatus, LineageArtifact } from './types.js';

/** A mark beside each status, so that none is told by colour alone. */
const MARKS: Readonly<Record<ExecutionStatus, string>> = { CREATED: '○', RUNNING: '◐', COMPLETED: '✓', FAILED: '✕', CANCELLED: '⊘' };

/** Registers the elements for this client, once a page. */
export function defineElements(client: Client): void {
  const define = (name: string, element: CustomElementConstructor) => {
    if (!customElements.get(name)) customElements.define(name, element);
  };
  define('takeoff-execution', executionElement(client));
  define('takeoff-lineage', lineageElement(client));
}

/** What both have: they run while they are in the document, anew when an attribute changes. */
function base(attributes: readonly string[], start: (element: HTMLElement, root: ShadowRoot) => () => void): CustomElementConstructor {
  return class extends HTMLElement {
    static readonly observedAttributes = attributes;
    readonly #root = this.attachShadow({ mode: 'open' });
    #stop: (() => void) | undefined;

    connectedCallback(): void {
      this.#root.adoptedStyleSheets = sheets();
      this.#stop?.();
      this.#stop = start(this, this.#root);
    }

    disconnectedCallback(): void {
      this.#stop?.();
      this.#stop = undefined;
    }

    attributeChangedCallback(): void {
      if (this.#stop) this.connectedCallback();
    }
  };
}

function executionElement(client: Client): CustomElementConstructor {
  return base(['id'], (element, root) => {
    const { id } = element;
    const title = make('strong', { part: 'type' });
    const mark = make('span', { 'aria-hidden': 'true' });
    const status = make('span');
    const badge = make('span', { class: 'badge', part: 'status', role: 'status' }, mark, status);
    const bar = make('progress', { max: '1', 'aria-label': 'progress' }) as HTMLProgressElement;
    const message = make('p', { class: 'message', part: 'message' });
    const note = make('p', { class: 'note', part: 'connection', role: 'status' });
    root.replaceChildren(make('section', { 'aria-label': `Execution ${id}` }, make('header', {}, title, badge), bar, message, note));
    const live = liveExecution(client, id);

    function show(): void {
      const { execution, progress, error } = live.value;
      title.textContent = execution?.intent.intentType ?? id;
      badge.dataset['status'] = execution?.status ?? '';
      mark.textContent = execution ? MARKS[execution.status] : '';
      mark.hidden = !execution;
      status.textContent = execution ? words(execution.status) : error ? 'not shown' : 'loading';
      if (execution && execution.attempt > 1) status.textContent += `, attempt ${execution.attempt}`;
      bar.hidden = !progress || execution?.status !== 'RUNNING';
      bar.value = progress?.fraction ?? 0;
      const fault = error ?? execution?.error;
      message.textContent = fault ? `${fault.code}: ${fault.message}` : (execution?.status === 'RUNNING' && progress?.message) || '';
      message.hidden = !message.textContent;
      const { status: connected, staleSince } = connectionOfExecution(client, live.value);
      note.textContent = staleSince === null ? '' : `Connecting again. This is how it was at ${new Date(staleSince).toLocaleTimeString()}.`;
      if (connected === 'connecting') note.textContent = 'Connecting.';
      note.hidden = !note.textContent;
    }

    if (!id) {
      root.replaceChildren(make('p', { class: 'message' }, 'The attribute id is missing.'));
      return () => {};
    }
    const stops = [live.listen(show), client.onConnection(show)];
    show();
    return () => stops.forEach((stop) => stop());
  });
}

function lineageElement(client: Client): CustomElementConstructor {
  return base(['artifact', 'direction', 'max-depth'], (element, root) => {
    const artifact = element.getAttribute('artifact');
    const say = (text: string, role = 'status') => root.replaceChildren(make('p', { class: 'message', role }, text));
    if (!artifact) {
      say('The attribute artifact is missing.');
      return () => {};
    }
    const controller = new AbortController();
    const direction = (element.getAttribute('direction') ?? 'UPSTREAM').toUpperCase() as 'UPSTREAM' | 'DOWNSTREAM' | 'BOTH';
    const maxDepth = Number(element.getAttribute('max-depth') ?? 10);
    say('Loading the lineage.');
    client.lineage(artifact, { direction, maxDepth, maxNodes: 200, signal: controller.signal }).then((lineage) => {
      if (lineage.nodes.length === 0) return say(`There is no artifact ${artifact} for the caller.`);
      const note = lineage.truncated ? [make('p', { class: 'note' }, `Not all is shown: ${lineage.truncatedBecause.map(words).join(', ')}.`)] : [];
      const scrolls = { class: 'picture', tabindex: '0', role: 'group', 'aria-label': 'Picture of the lineage, which scrolls' };
      const picture = make('div', scrolls, lineagePicture(lineage, nameOf));
      const table = make('details', {}, make('summary', {}, 'As a table'), lineageTable(lineage, nameOf));
      root.replaceChildren(make('section', { 'aria-label': 'Lineage' }, picture, ...note, table));
    }, (error: TakeoffError) => {
      if (!controller.signal.aborted) say(`The lineage cannot be shown. ${error.code}: ${error.message}`, 'alert');
    });
    return () => controller.abort();
  });
}

const words = (name: string) => name.toLowerCase().replaceAll('_', ' ');

const nameOf = ({ displayName, id }: LineageArtifact) => displayName ?? id;
