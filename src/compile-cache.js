// `node --import ./src/compile-cache.js src/main.ts …` reads compiled code from the disk. Without
// the cache, each process strips the types of its TypeScript with a compiler that keeps 30 MB of
// memory. Plain JavaScript, so that loading this file needs no compiler. NODE_COMPILE_CACHE
// overrides the folder. If the folder is not writable, nothing is cached.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(
  process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, '..', 'node_modules', '.cache', 'compile'),
)
