import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigurationError } from '../../platform/config.ts'

/**
 * Connections waiting to be accepted. Linux drops further ones; their clients retry after 1, 3 and
 * 7 s.
 */
const BACKLOG_COUNT = 4_096

/**
 * Starts listening and returns the URL, e.g. `http://127.0.0.1:8000`.
 * @param variable environment variable that the port comes from
 * @throws ConfigurationError naming the variable when the port or the address is unavailable
 */
export async function listen(server: Server, host: string, port: number, variable: string): Promise<string> {
  try {
    await new Promise<void>((done, fail) =>
      server.once('error', fail).listen(port, host, BACKLOG_COUNT, done),
    )
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new ConfigurationError(
        `${variable}: ${port} on ${host} is taken by another program; choose another, e.g. ${variable}=${port + 1}`,
      )
    }
    if (code === 'EACCES')
      throw new ConfigurationError(`${variable}: ${port} needs more rights; choose one above 1023`)
    if (code === 'EADDRNOTAVAIL')
      throw new ConfigurationError(`HOST: ${host} is not an address of this machine`)
    throw error
  }
  const { port: bound } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}
