import { Proxy } from '../faults/proxy.ts'

/**
 * Forwards a port of 127.0.0.1 to another one, with a delay in each direction, until it is ended.
 * A process of its own, so that the load does not delay it: `node run-relay.ts <port> <ms>` prints
 * its port.
 */
const [port = '', ms = ''] = process.argv.slice(2)
const relay = await Proxy.listen(Number(port))
relay.delay(Number(ms))
console.log(relay.port)
