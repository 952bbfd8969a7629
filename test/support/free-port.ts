import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that Linux chooses for connections and for servers that listen on port 0, and
 * above the last one that browsers and `fetch` refuse (10080).
 */
const LOWEST = 11_000
const HIGHEST = 32_000

/** Returns a TCP port of 127.0.0.1 that is free, and that Linux gives to no other process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST)
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw error
    }
    await new Promise(done => server.close(done))
    return port
  }
}
