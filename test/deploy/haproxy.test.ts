import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net'
import { expect } from 'chai'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { checkHaproxy, HAPROXY_FILE, hasHaproxy, startHaproxy } from './haproxy.ts'

const portOf = (server: Server | TcpServer) => (server.address() as { port: number }).port

async function listen<T extends Server | TcpServer>(server: T): Promise<T> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** A server that greets each connection with its name, and the Patroni beside it. */
class Database {
  readonly #sockets = new Set<Socket>()
  #server: TcpServer | undefined
  #patroni: Server | undefined
  isPrimary: boolean

  constructor(isPrimary: boolean) {
    this.isPrimary = isPrimary
  }

  async start(name: string): Promise<{ postgres: number; patroni: number }> {
    this.#server = await listen(
      createTcpServer(socket => {
        this.#sockets.add(socket)
        socket.on('error', () => undefined).write(name)
      }),
    )
    this.#patroni = await listen(
      createServer(({ url }, response) => {
        response.statusCode = url === '/primary' && this.isPrimary ? 200 : 503
        response.end()
      }),
    )
    return { postgres: portOf(this.#server), patroni: portOf(this.#patroni) }
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server?.close()
    this.#patroni?.close()
  }
}

describe('deploy/haproxy.cfg', () => {
  if (!hasHaproxy) {
    console.warn('haproxy is missing: deploy/haproxy.cfg is not run')
    it('is run under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  it('is accepted by haproxy -c without a warning', () => {
    const [status, output] = checkHaproxy(HAPROXY_FILE)
    expect(status, output).to.equal(0)
    expect(output).not.to.match(/warning/i)
  })

  describe('in front of two databases and two API processes', () => {
    const databases = [new Database(true), new Database(false)] as const
    const ready = [true, true]
    const apis: Server[] = []
    let stop: () => Promise<void>
    let postgres: number
    let api: string

    const answerAs =
      (index: number): RequestListener =>
      (request, response) => {
        if (request.url === '/readyz') response.statusCode = ready[index] ? 200 : 503
        response.setHeader('api', String(index))
        if (request.url === '/stream')
          response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
        else response.end(request.headers['x-forwarded-for'])
      }

    before(async () => {
      const [first, second] = databases
      const servers = [await first.start('first'), await second.start('second')]
      for (const index of ready.keys()) apis.push(await listen(createServer(answerAs(index))))
      postgres = await freePort()
      const apiPort = await freePort()
      api = `http://127.0.0.1:${apiPort}`
      stop = await startHaproxy({ postgres, api: apiPort, servers, apis: apis.map(portOf) })
    })
    after(async () => {
      await stop()
      for (const database of databases) database.stop()
      for (const server of apis) server.close()
    })

    /** Opens a connection. @returns the server's name, or undefined without a primary */
    async function open(): Promise<[Socket, string | undefined]> {
      const socket = connect(postgres, '127.0.0.1').on('error', () => undefined)
      const name = await new Promise<string | undefined>(done => {
        socket.once('data', data => done(data.toString())).once('close', () => done(undefined))
      })
      return [socket, name]
    }
    /** Before its first checks, HAProxy connects to every server. */
    async function untilServedBy(name: string): Promise<void> {
      let inARow = 0
      await until(`connections lead to the ${name} server`, async () => {
        const [socket, server] = await open()
        socket.destroy()
        inARow = server === name ? inARow + 1 : 0
        return inARow === 5
      })
    }

    it('connects to the primary, and closes connections to a server that is none any more', async () => {
      await untilServedBy('first')
      const [session, name] = await open()
      expect(name).to.equal('first')
      const [first, second] = databases
      first.isPrimary = false
      await until('the open connection is closed', () => session.destroyed || session.readableEnded)
      expect(await open()).to.have.property('1', undefined)
      second.isPrimary = true
      await untilServedBy('second')
    })

    const ask = async (path = '/') => await fetch(api + path)
    const serves = async (index: number) => (await ask()).headers.get('api') === String(index)

    it('sends requests to both API processes, with the address of the client', async () => {
      await until('one serves', () => serves(0))
      await until('the other serves', () => serves(1))
      expect(await (await ask()).text()).to.equal('127.0.0.1')
    })

    it('sends no requests to an API process that is not ready', async () => {
      ready[0] = false
      let inARow = 0
      await until('ten requests in a row are served by the other', async () => {
        inARow = (await serves(1)) ? inARow + 1 : 0
        return inARow === 10
      })
      ready[0] = true
      await until('it serves again', () => serves(0))
    })

    it('passes the first event of a stream on before the stream ends', async () => {
      const stream = await ask('/stream')
      const { value } = (await stream.body?.getReader().read()) ?? {}
      expect(Buffer.from(value ?? []).toString()).to.equal('data: first\n\n')
    })
  })
})
