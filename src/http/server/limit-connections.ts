import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../../platform/log.ts'
import { clientNetwork } from '../auth/client-network.ts'

/**
 * Closes new connections of a network with `maxCount` open ones, so that one client cannot use up
 * the
 * connections of all. Behind a proxy, the network is that of the proxy.
 */
export function limitConnections(server: Server, maxCount: number, log: Logger): void {
  /** open connections by network; networks without one are absent */
  const openCounts = new Map<string, number>()
  /** networks whose rejection is logged already, until all their connections are closed */
  const rejected = new Set<string>()

  server.on('connection', (socket: Socket) => {
    const network = clientNetwork(socket.remoteAddress ?? '')
    const count = openCounts.get(network) ?? 0
    if (count >= maxCount) {
      socket.destroy()
      if (rejected.has(network)) return
      rejected.add(network)
      log.warn({ address: network, connections: count }, 'connection limit of an address reached')
      return
    }
    openCounts.set(network, count + 1)
    socket.once('close', () => {
      const left = (openCounts.get(network) ?? 1) - 1
      if (left > 0) openCounts.set(network, left)
      else if (openCounts.delete(network)) rejected.delete(network)
    })
  })
}
