import './style/index.css';
import './parts/settings';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { find, forget, isKnown, queries, wantsProof } from './api';
import { startFeed } from './live/feed';
import { router } from './router';

// Of a version that kept what was pasted.
sessionStorage.removeItem('takeoff:console:token');
if (wantsProof) find().catch((error: Error) => forget(error.message));
if (isKnown()) startFeed();

const place = document.getElementById('console');
if (place) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
