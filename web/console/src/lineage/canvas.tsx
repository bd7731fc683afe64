/** The graph: moved by dragging, sized by the wheel or the buttons, walked by the arrow keys. */
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useRef, useState } from 'react';
import { useStore } from '../api';
import { IconButton } from '../parts';
import { theme } from '../parts/settings';
import { artifactStateName } from '../parts/status';
import { type Colours, coloursOf, draw, fitting, hit, type View, zooms } from './draw';
import type { Placed } from './graph';
import { nodeHeight, nodeWidth } from './layout';

interface Props {
  placed: Placed;
  root: string;
  selected: string | undefined;
  select(id: string | undefined): void;
  expand(id: string): void;
  open(id: string): void;
}

export function Canvas({ placed, root, selected, select, expand, open }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useRef<View | undefined>(undefined);
  const former = useRef<{ placed: Placed; anchor: string } | undefined>(undefined);
  const drag = useRef<{ x: number; y: number; moved: boolean } | undefined>(undefined);
  const colours = useRef<Colours | undefined>(undefined);
  const frame = useRef(0);
  const chosen = useStore(theme);
  const [, setDrawn] = useState(0);

  const paint = useCallback(() => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const element = canvas.current;
      if (!element?.parentElement) return;
      colours.current ??= coloursOf(element.parentElement);
      view.current ??= fitting(placed, element.clientWidth, element.clientHeight);
      const near = new Set<string>();
      if (selected) {
        near.add(selected);
        for (const { parentId, childId } of placed.graph.edges) {
          if (parentId === selected) near.add(childId);
          if (childId === selected) near.add(parentId);
        }
      }
      draw(element, placed, view.current, { root, selected, near }, colours.current);
    });
  }, [placed, root, selected]);

  // What was clicked stays where it is when more is laid out around it.
  useEffect(() => {
    const before = former.current;
    const anchor = selected ?? root;
    if (before && before.placed !== placed && view.current) {
      const place = (of: Placed) => {
        const at = of.at.get(before.anchor);
        return at === undefined
          ? undefined
          : { x: of.layout.places[at * 2] ?? 0, y: of.layout.places[at * 2 + 1] ?? 0 };
      };
      const [was, is] = [place(before.placed), place(placed)];
      if (was && is)
        view.current = { ...view.current, x: view.current.x + is.x - was.x, y: view.current.y + is.y - was.y };
      else view.current = undefined;
    }
    former.current = { placed, anchor };
    paint();
  }, [placed, paint, selected, root]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme is read from the styles
  useEffect(() => {
    colours.current = undefined;
    paint();
    const media = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => {
      colours.current = undefined;
      paint();
    };
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, [chosen, paint]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener('wheel', wheel);
    };
  });

  function zoomAt(x: number, y: number, factor: number) {
    const now = view.current;
    if (!now) return;
    const zoom = Math.max(zooms.least, Math.min(zooms.most, now.zoom * factor));
    view.current = { zoom, x: now.x + x / now.zoom - x / zoom, y: now.y + y / now.zoom - y / zoom };
    paint();
  }
  const zoomBy = (factor: number) =>
    zoomAt((canvas.current?.clientWidth ?? 0) / 2, (canvas.current?.clientHeight ?? 0) / 2, factor);
  const fit = () => {
    view.current = undefined;
    paint();
    setDrawn((count) => count + 1);
  };

  const at = (event: PointerEvent) => {
    const box = canvas.current?.getBoundingClientRect();
    const now = view.current;
    return box && now
      ? hit(placed, now.x + (event.clientX - box.x) / now.zoom, now.y + (event.clientY - box.y) / now.zoom)
      : undefined;
  };
  function down(event: PointerEvent) {
    drag.current = { x: event.clientX, y: event.clientY, moved: false };
    canvas.current?.setPointerCapture(event.pointerId);
  }
  function move(event: PointerEvent) {
    const begun = drag.current;
    const now = view.current;
    if (!begun || !now) return;
    const [dx, dy] = [event.clientX - begun.x, event.clientY - begun.y];
    if (!begun.moved && Math.hypot(dx, dy) < 4) return;
    view.current = { ...now, x: now.x - dx / now.zoom, y: now.y - dy / now.zoom };
    drag.current = { x: event.clientX, y: event.clientY, moved: true };
    paint();
  }
  function up(event: PointerEvent) {
    const moved = drag.current?.moved;
    drag.current = undefined;
    if (!moved) select(at(event)?.id);
  }

  const boxOf = (id: string) => {
    const index = placed.at.get(id);
    return index === undefined
      ? undefined
      : { x: placed.layout.places[index * 2] ?? 0, y: placed.layout.places[index * 2 + 1] ?? 0 };
  };

  /** The nearest node in a direction. */
  function beside(from: string, [dx, dy]: [number, number]): string | undefined {
    const begin = boxOf(from);
    if (!begin) return undefined;
    let best: { id: string; far: number } | undefined;
    for (const { id } of placed.graph.nodes) {
      const box = boxOf(id);
      if (!box || id === from) continue;
      const along = (box.x - begin.x) * dx + (box.y - begin.y) * dy;
      const across = Math.abs((box.x - begin.x) * dy) + Math.abs((box.y - begin.y) * dx);
      if (along <= 1) continue;
      const far = along + across * 2;
      if (!best || far < best.far) best = { id, far };
    }
    return best?.id;
  }

  function press(event: KeyboardEvent) {
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const step = steps[event.key];
    const element = canvas.current;
    if (step && element) {
      event.preventDefault();
      const next = selected ? beside(selected, step) : root;
      const box = next ? boxOf(next) : undefined;
      if (!next || !box) return;
      const now = view.current;
      const isSeen =
        now &&
        box.x >= now.x &&
        box.y >= now.y &&
        box.x + nodeWidth <= now.x + element.clientWidth / now.zoom &&
        box.y + nodeHeight <= now.y + element.clientHeight / now.zoom;
      if (now && !isSeen) {
        view.current = {
          ...now,
          x: box.x + nodeWidth / 2 - element.clientWidth / now.zoom / 2,
          y: box.y + nodeHeight / 2 - element.clientHeight / now.zoom / 2,
        };
      }
      select(next);
    } else if (event.key === '+') zoomBy(1.25);
    else if (event.key === '-') zoomBy(0.8);
    else if (event.key === '0') fit();
    else if (event.key === 'Escape') select(undefined);
    else if (event.key === 'Enter' && selected) open(selected);
    else if (event.key === 'e' && selected && placed.graph.frontier.has(selected)) expand(selected);
  }

  const node = placed.graph.nodes.find(({ id }) => id === selected);
  return (
    <div className="graph">
      <div
        className="graph-keys"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is walked by keys
        tabIndex={0}
        aria-label={`Lineage graph of ${placed.graph.nodes.length} artifacts. Arrow keys walk, Enter opens, plus and minus zoom. The table shows the same.`}
        onKeyDown={press}
      >
        <canvas ref={canvas} onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={up} />
      </div>
      <div className="hidden" role="status">
        {node && `${node.displayName ?? node.id}, ${node.artifactType}, ${artifactStateName(node.lifecycleState)}`}
      </div>
      <div className="graph-tools">
        <IconButton icon="plus" label="Larger" onPress={() => zoomBy(1.25)} />
        <IconButton icon="minus" label="Smaller" onPress={() => zoomBy(0.8)} />
        <IconButton icon="fit" label="Show all" onPress={fit} />
      </div>
    </div>
  );
}
