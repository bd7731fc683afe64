// What a page loads of this package: each entry with all it imports but React, minified, by gzip.

import { build } from 'esbuild';
import { gzipSync } from 'node:zlib';

const limits = [
  ['the client', `export * from './dist/index.js';`, 8_000],
  ['the client with React', `export * from './dist/index.js'; export * from './dist/react.js';`, 11_000],
];

for (const [name, contents, limit] of limits) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL('..', import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    write: false,
  });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`${name}: ${size} bytes of at most ${limit}`);
  if (size > limit) process.exitCode = 1;
}
