import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// A server to develop against; its own pages are told no other origin than theirs.
const server = process.env.TAKEOFF_URL ?? 'http://127.0.0.1:8080';
const proxied = {
  target: server,
  ws: true,
  configure: (proxy: {
    on(event: string, run: (request: { setHeader(name: string, value: string): void }) => void): void;
  }) => {
    for (const event of ['proxyReq', 'proxyReqWs']) {
      proxy.on(event, (request) => request.setHeader('origin', server));
    }
  },
};

export default defineConfig({
  base: './',
  plugins: [react()],
  resolve: {
    // The client is compiled from its source with the console.
    alias: { '@takeoff/client': fileURLToPath(new URL('../../sdks/typescript/client/src/index.ts', import.meta.url)) },
    dedupe: ['react', 'react-dom'],
  },
  worker: { format: 'es' },
  build: {
    target: 'baseline-widely-available',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'assets/licenses.txt' },
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: { proxy: { '/graphql': proxied, '/content': proxied, '/uploads': proxied } },
});
