/** Lays lineages out beside the page, so that it never waits. */
import { type LayoutInput, layout } from './layout';

addEventListener('message', ({ data }: MessageEvent<{ number: number; input: LayoutInput }>) => {
  const result = layout(data.input);
  postMessage({ number: data.number, result });
});
