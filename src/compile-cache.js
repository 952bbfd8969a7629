// `node --import ./src/compile-cache.js src/main.ts …`: what has been compiled once is read from the disk at the next start.
// Without it, each process takes the types out of its TypeScript anew, with a compiler of 30 MB that stays in its memory.
// Plain JavaScript, because it stands before that. NODE_COMPILE_CACHE names another folder; where none can be
// written, all is as without.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(
  process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, '..', 'node_modules', '.cache', 'compile'),
)
