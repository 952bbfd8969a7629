import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../../platform/log.ts'
import { clientNetwork } from '../auth/client-network.ts'

/**
 * Closes at once what comes from an address that has `maxCount` connections open, so that one cannot take the places of all.
 * An address of IPv6 counts with its /64. It is the one that connects: behind a proxy, that of the proxy.
 */
export function limitConnections(server: Server, maxCount: number, log: Logger): void {
  /** by network; one that has none is not in it */
  const openCounts = new Map<string, number>()
  /** of those, the ones that have been refused: said once until they are gone */
  const refused = new Set<string>()

  server.on('connection', (socket: Socket) => {
    const network = clientNetwork(socket.remoteAddress ?? '')
    const count = openCounts.get(network) ?? 0
    if (count >= maxCount) {
      socket.destroy()
      if (refused.has(network)) return
      refused.add(network)
      log.warn(
        { address: network, connections: count },
        'an address has all the connections that it may have',
      )
      return
    }
    openCounts.set(network, count + 1)
    socket.once('close', () => {
      const left = (openCounts.get(network) ?? 1) - 1
      if (left > 0) openCounts.set(network, left)
      else if (openCounts.delete(network)) refused.delete(network)
    })
  })
}
