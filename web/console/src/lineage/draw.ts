/** Draws a lineage on a canvas, and finds what is under a point. */
import { artifactTone } from '../parts/status';
import type { Placed } from './graph';
import { nodeHeight, nodeWidth } from './layout';

/** The part of the graph that is in view: a point of the graph at the corner, and how large it is. */
export interface View {
  x: number;
  y: number;
  zoom: number;
}

export const zooms = { least: 0.05, most: 2.5 };

export interface Colours {
  surface: string;
  line: string;
  edge: string;
  text: string;
  muted: string;
  accent: string;
  accentSoft: string;
  good: string;
  wait: string;
  bad: string;
  off: string;
  busy: string;
  sans: string;
}

const variables: Record<keyof Colours, string> = {
  surface: '--surface',
  line: '--line-strong',
  edge: '--control-line',
  text: '--text',
  muted: '--muted',
  accent: '--accent',
  accentSoft: '--accent-soft',
  good: '--good-solid',
  wait: '--wait-solid',
  bad: '--bad-solid',
  off: '--off-solid',
  busy: '--busy-solid',
  sans: '--sans',
};

/** Colours of the theme as a canvas takes them: `light-dark()` is resolved by an element. */
export function coloursOf(element: HTMLElement): Colours {
  const probe = document.createElement('span');
  element.append(probe);
  const found = Object.entries(variables).map(([name, variable]) => {
    if (name === 'sans') return [name, getComputedStyle(element).fontFamily];
    probe.style.color = `var(${variable})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found) as Colours;
}

export interface Marks {
  root: string;
  selected: string | undefined;
  /** Nodes and edges on a way through the selected node. */
  near: ReadonlySet<string>;
}

export function draw(canvas: HTMLCanvasElement, placed: Placed, view: View, marks: Marks, colours: Colours) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.setTransform(
    ratio * view.zoom,
    0,
    0,
    ratio * view.zoom,
    -view.x * view.zoom * ratio,
    -view.y * view.zoom * ratio,
  );
  const right = view.x + width / view.zoom;
  const bottom = view.y + height / view.zoom;
  drawEdges(context, placed, view, right, bottom, marks, colours);
  drawNodes(context, placed, view, right, bottom, marks, colours);
}

function drawEdges(
  context: CanvasRenderingContext2D,
  { graph, layout }: Placed,
  view: View,
  right: number,
  bottom: number,
  marks: Marks,
  colours: Colours,
) {
  const { points, starts } = layout;
  const quiet = new Path2D();
  const loud = new Path2D();
  for (let edge = 0; edge + 1 < starts.length; edge += 1) {
    const [from, to] = [starts[edge] ?? 0, starts[edge + 1] ?? 0];
    const { parentId, childId } = graph.edges[edge] ?? { parentId: '', childId: '' };
    let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let at = from + 1; at < to; at += 2) {
      least = Math.min(least, points[at] ?? 0);
      greatest = Math.max(greatest, points[at] ?? 0);
    }
    if (
      greatest < view.y ||
      least > bottom ||
      (points[from] ?? 0) > right ||
      (points[to - 2] ?? 0) + nodeWidth < view.x
    )
      continue;
    const isLoud =
      marks.near.has(parentId) &&
      marks.near.has(childId) &&
      (parentId === marks.selected || childId === marks.selected);
    trace(isLoud ? loud : quiet, points, from, to);
  }
  context.lineWidth = Math.max(1.2, 0.8 / view.zoom);
  context.strokeStyle = colours.edge;
  context.globalAlpha = marks.selected ? 0.45 : 0.8;
  context.stroke(quiet);
  context.globalAlpha = 1;
  context.lineWidth = Math.max(2, 1.4 / view.zoom);
  context.strokeStyle = colours.accent;
  context.stroke(loud);
}

/** A curve from the right side of the parent by the dummies to the left side of the child. */
function trace(path: Pick<Path2D, 'moveTo' | 'bezierCurveTo'>, points: Float64Array, from: number, to: number) {
  let [x, y] = [(points[from] ?? 0) + nodeWidth, points[from + 1] ?? 0];
  path.moveTo(x, y);
  for (let at = from + 2; at < to; at += 2) {
    const [nextX, nextY] = [points[at] ?? 0, points[at + 1] ?? 0];
    const bend = Math.max(24, (nextX - x) / 2);
    path.bezierCurveTo(x + bend, y, nextX - bend, nextY, nextX, nextY);
    [x, y] = [nextX, nextY];
  }
}

function drawNodes(
  context: CanvasRenderingContext2D,
  placed: Placed,
  view: View,
  right: number,
  bottom: number,
  marks: Marks,
  colours: Colours,
) {
  const { graph, layout } = placed;
  const hasText = view.zoom > 0.32;
  graph.nodes.forEach((node, at) => {
    const [x, y] = [layout.places[at * 2] ?? 0, layout.places[at * 2 + 1] ?? 0];
    if (x > right || x + nodeWidth < view.x || y > bottom || y + nodeHeight < view.y) return;
    const isSelected = node.id === marks.selected;
    const isRoot = node.id === marks.root;
    context.fillStyle = isSelected || isRoot ? colours.accentSoft : colours.surface;
    context.strokeStyle = isSelected ? colours.accent : marks.near.has(node.id) ? colours.accent : colours.line;
    context.lineWidth = isSelected ? 2.5 : 1.2;
    context.beginPath();
    context.roundRect(x, y, nodeWidth, nodeHeight, 9);
    context.fill();
    context.stroke();
    context.fillStyle = colours[artifactTone(node.lifecycleState)];
    context.beginPath();
    context.roundRect(x + 8, y + 10, 4, nodeHeight - 20, 2);
    context.fill();
    if (!hasText) return;
    context.fillStyle = colours.text;
    context.font = `600 13px ${colours.sans}`;
    context.fillText(fitted(context, node.displayName ?? node.id, nodeWidth - 34), x + 20, y + 22);
    context.fillStyle = colours.muted;
    context.font = `12px ${colours.sans}`;
    context.fillText(fitted(context, node.artifactType, nodeWidth - 34), x + 20, y + 40);
    if (graph.frontier.has(node.id)) {
      context.fillStyle = colours.accent;
      context.font = `700 15px ${colours.sans}`;
      context.fillText('+', x + nodeWidth - 17, y + 21);
    }
  });
}

const widths = new Map<string, string>();

/** A text cut to a width; what was measured is remembered. */
function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  const key = `${context.font}|${width}|${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  let cut = text;
  if (context.measureText(text).width > width) {
    let [least, most] = [0, text.length];
    while (least < most) {
      const middle = Math.ceil((least + most) / 2);
      if (context.measureText(`${text.slice(0, middle)}…`).width <= width) least = middle;
      else most = middle - 1;
    }
    cut = `${text.slice(0, least)}…`;
  }
  if (widths.size > 20_000) widths.clear();
  widths.set(key, cut);
  return cut;
}

/** The node at a point of the graph. */
export function hit({ graph, layout }: Placed, x: number, y: number) {
  const at = graph.nodes.findIndex((_, index) => {
    const [left, top] = [layout.places[index * 2] ?? 0, layout.places[index * 2 + 1] ?? 0];
    return x >= left && x <= left + nodeWidth && y >= top && y <= top + nodeHeight;
  });
  return at < 0 ? undefined : graph.nodes[at];
}

/** The view that shows all, or if that would be too small to read, the root with what is near. */
export function fitting({ layout }: Placed, width: number, height: number): View {
  let [right, bottom] = [nodeWidth, nodeHeight];
  for (let at = 0; at < layout.places.length; at += 2) {
    right = Math.max(right, (layout.places[at] ?? 0) + nodeWidth);
    bottom = Math.max(bottom, (layout.places[at + 1] ?? 0) + nodeHeight);
  }
  const zoom = Math.max(zooms.least, Math.min(1.1, (width - 48) / right, (height - 48) / bottom));
  return { zoom, x: right / 2 - width / zoom / 2, y: bottom / 2 - height / zoom / 2 };
}

/** The same as a file. */
export function svgOf({ graph, layout }: Placed): string {
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  const parts: string[] = [];
  let [right, bottom] = [nodeWidth, nodeHeight];
  for (let edge = 0; edge + 1 < layout.starts.length; edge += 1) {
    const commands: string[] = [];
    const path = {
      moveTo: (...to: number[]) => commands.push(`M${to.join(' ')}`),
      bezierCurveTo: (...to: number[]) => commands.push(`C${to.join(' ')}`),
    };
    trace(path, layout.points, layout.starts[edge] ?? 0, layout.starts[edge + 1] ?? 0);
    parts.push(
      `<path d="${commands.join('')}" fill="none" stroke="#868fa0"><title>${escaped(graph.edges[edge]?.intentType ?? '')}</title></path>`,
    );
  }
  graph.nodes.forEach((node, at) => {
    const [x, y] = [layout.places[at * 2] ?? 0, layout.places[at * 2 + 1] ?? 0];
    right = Math.max(right, x + nodeWidth);
    bottom = Math.max(bottom, y + nodeHeight);
    const name = escaped((node.displayName ?? node.id).slice(0, 26));
    parts.push(
      `<g><title>${escaped(`${node.displayName ?? ''} ${node.id}`)}</title><rect x="${x}" y="${y}" width="${nodeWidth}" height="${nodeHeight}" rx="9" fill="#fff" stroke="#c5ccd8"/>` +
        `<text x="${x + 14}" y="${y + 22}" font-weight="600" font-size="13" fill="#171b24">${name}</text>` +
        `<text x="${x + 14}" y="${y + 40}" font-size="12" fill="#5d6779">${escaped(node.artifactType)}</text></g>`,
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 -16 ${right + 32} ${bottom + 32}" font-family="sans-serif">${parts.join('')}</svg>`;
}
