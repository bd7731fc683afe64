// Removes what an earlier build wrote, so that a file that is gone from src is not packed.

import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
