// A lineage as a picture, in columns from what was there first to what was made of it, and the same as a table.

import { draw, make } from './make.js';
import type { Lineage, LineageArtifact } from './types.js';

const [WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN] = [212, 44, 64, 16, 8];
/** Characters of a name that fit. */
const MAX_CHARS = 24;

type Name = (artifact: LineageArtifact) => string;

interface Place {
  readonly x: number;
  readonly y: number;
}

export function lineagePicture({ nodes, edges }: Lineage, name: Name): SVGElement {
  const places = placesOf({ nodes, edges });
  const all = [...places.values()];
  const width = Math.max(...all.map(({ x }) => x)) + WIDTH + MARGIN;
  const height = Math.max(...all.map(({ y }) => y)) + HEIGHT + MARGIN;
  const lines = edges.flatMap(({ parentId, childId, intentType }) => {
    const [from, to] = [places.get(parentId), places.get(childId)];
    if (!from || !to) return [];
    const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
    const middle = (x1 + x2) / 2;
    return [draw('path', { d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` }, draw('title', {}, intentType))];
  });
  const boxes = nodes.map(({ artifact, isRoot }) => {
    const { x, y } = places.get(artifact.id) as Place;
    const text = name(artifact);
    return draw('g', { transform: `translate(${x} ${y})`, ...(isRoot && { class: 'root' }) },
      draw('title', {}, `${artifact.artifactType} ${text} (${artifact.lifecycleState})`),
      draw('rect', { width: String(WIDTH), height: String(HEIGHT), rx: '6' }),
      draw('text', { x: '10', y: '18', class: 'type' }, cut(artifact.artifactType)),
      draw('text', { x: '10', y: '35' }, cut(text)));
  });
  return draw('svg', {
    role: 'img', 'aria-label': `${nodes.length} artifacts, ${edges.length} edges`,
    viewBox: `0 0 ${width} ${height}`, width: String(width), height: String(height),
  }, ...lines, ...boxes);
}

/** Columns by generation; within a column in the order of the parents' places. */
function placesOf({ nodes, edges }: Pick<Lineage, 'nodes' | 'edges'>): Map<string, Place> {
  const generations = [...new Set(nodes.map(({ artifact }) => artifact.generation))].sort((a, b) => a - b);
  const parents = new Map<string, string[]>();
  for (const { parentId, childId } of edges) parents.set(childId, [...(parents.get(childId) ?? []), parentId]);
  const places = new Map<string, Place>();
  generations.forEach((generation, column) => {
    const wanted = nodes.filter(({ artifact }) => artifact.generation === generation).map(({ artifact }, at) => {
      const known = (parents.get(artifact.id) ?? []).flatMap((id) => places.get(id)?.y ?? []);
      return { id: artifact.id, y: known.length > 0 ? known.reduce((sum, y) => sum + y) / known.length : at * (HEIGHT + GAP_Y) };
    });
    wanted.sort((a, b) => a.y - b.y);
    wanted.forEach(({ id }, row) => {
      places.set(id, { x: MARGIN + column * (WIDTH + GAP_X), y: MARGIN + row * (HEIGHT + GAP_Y) });
    });
  });
  return places;
}

const cut = (text: string) => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS - 1)}…` : text);

export function lineageTable({ nodes, edges }: Lineage, name: Name): HTMLElement {
  const artifacts = new Map(nodes.map(({ artifact }) => [artifact.id, artifact]));
  const rows = nodes.map(({ artifact }) => {
    const madeFrom = edges.filter(({ childId }) => childId === artifact.id).map(({ parentId, intentType }) => {
      const parent = artifacts.get(parentId);
      return `${parent ? `${parent.artifactType} ${name(parent)}` : parentId} by ${intentType}`;
    });
    const cells = [artifact.artifactType, name(artifact), artifact.lifecycleState.toLowerCase(), madeFrom.join(', ') || 'nothing that is shown'];
    return make('tr', {}, ...cells.map((cell) => make('td', {}, cell)));
  });
  const heads = ['Type', 'Name', 'State', 'Made from'].map((head) => make('th', { scope: 'col' }, head));
  return make('table', {}, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...rows));
}
