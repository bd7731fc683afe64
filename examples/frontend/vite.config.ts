import { defineConfig } from 'vite';
import { backend } from './backend.js';

export default defineConfig({
  plugins: [backend()],
  // The client is a neighbour of this folder here, with a React of its own to be tested with.
  resolve: { dedupe: ['react'] },
});
