import { connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  near: Socket
  far: Socket
}

/**
 * A TCP proxy in front of Postgres that imitates network failures: it can forward nothing while all
 * connections stay open, delay every chunk, or cut all connections.
 */
export class Proxy {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #targetPort: number
  #frozen = false
  #latencyMs = 0
  #lostReply: { text: string; end: string } | undefined

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    this.#targetPort = targetPort
    server.on('connection', near => this.#accept(near))
  }

  static async listen(targetPort: number): Promise<Proxy> {
    const server = createServer()
    const proxy = new Proxy(server, targetPort)
    await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Connects new connections to this port from now on. */
  retarget(port: number): void {
    this.#targetPort = port
  }

  /**
   * Stops forwarding. Old connections stay open and new ones are accepted, as on a half-open link.
   */
  freeze(): void {
    this.#frozen = true
    for (const { near, far } of this.#pairs) {
      near.pause()
      far.pause()
    }
  }

  /** Forwards again, also on the connections of before: what has come meanwhile, all at once. */
  release(): void {
    this.#frozen = false
    for (const { near, far } of this.#pairs) {
      near.resume()
      far.resume()
    }
  }

  /**
   * Forwards new connections again and cuts the frozen ones, which stay dead as after a lost route.
   */
  thaw(): void {
    this.#frozen = false
    this.cut()
  }

  /** @param ms delay of every chunk, in each direction */
  delay(ms: number): void {
    this.#latencyMs = ms
  }

  /**
   * Cuts the connection that sends this text when Postgres answers the end of its transaction: it
   * is committed, and the process does not know.
   * @param end the statement that ends it; default: the one with the text
   */
  loseReplyTo(text: string, end = text): void {
    this.#lostReply = { text, end }
  }

  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far.destroy()
    }
    this.#pairs.clear()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(done => this.#server.close(done))
  }

  #accept(near: Socket): void {
    const far = connect(this.#targetPort, '127.0.0.1')
    const pair = { near, far }
    this.#pairs.add(pair)
    const end = () => {
      near.destroy()
      far.destroy()
      this.#pairs.delete(pair)
    }
    let hasText = false
    let isReplyLost = false
    near.on('data', chunk => {
      if (this.#lostReply === undefined) return
      hasText ||= chunk.includes(this.#lostReply.text)
      isReplyLost ||= hasText && chunk.includes(this.#lostReply.end)
      if (isReplyLost) this.#lostReply = undefined
    })
    far.on('data', () => isReplyLost && end())
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true)
      from.on('data', chunk => this.#forward(chunk, to))
      from.on('error', end)
      from.on('close', end)
    }
    if (this.#frozen) {
      near.pause()
      far.pause()
    }
  }

  #forward(chunk: Buffer, to: Socket): void {
    if (this.#frozen || to.destroyed) return
    if (this.#latencyMs === 0) to.write(chunk)
    else setTimeout(() => !to.destroyed && to.write(chunk), this.#latencyMs)
  }
}
