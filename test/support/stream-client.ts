import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { until } from './until.ts'

export interface StreamEvent {
  event: string
  id: string
  data: Record<string, unknown>
}

/** Reads an event stream as a browser does, and keeps the events. */
export class StreamClient {
  readonly events: StreamEvent[] = []
  /**
   * the id for a reconnect: of the last event or heartbeat with an id, else the `last-event-id`
   * sent
   */
  lastId: string | undefined
  readonly headers: IncomingMessage['headers']
  comments = 0
  isOpen = true
  readonly #request: ClientRequest
  #retryMs: number | undefined
  #rest = ''

  private constructor(outgoing: ClientRequest, response: IncomingMessage, lastId: string | undefined) {
    this.#request = outgoing
    this.lastId = lastId
    this.headers = response.headers
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#read(text))
    response.on('error', () => undefined)
    response.once('close', () => (this.isOpen = false))
  }

  /** @throws Error with status and body when the response is not 200 */
  static async open(url: string, headers: Record<string, string> = {}): Promise<StreamClient> {
    return await new Promise((resolve, reject) => {
      const outgoing = request(url, { agent: false, headers })
      outgoing.on('error', reject)
      outgoing.once('response', response => {
        if (response.statusCode === 200)
          return resolve(new StreamClient(outgoing, response, headers['last-event-id']))
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.once('end', () => reject(new Error(`${response.statusCode} ${body}`)))
      })
      outgoing.end()
    })
  }

  /** All events but the snapshot. */
  get news(): StreamEvent[] {
    return this.events.filter(({ event }) => event !== 'snapshot')
  }

  async untilEvents(count: number): Promise<StreamEvent[]> {
    await until(
      `${count} events have arrived, not only ${this.events.length}`,
      () => this.events.length >= count,
    )
    return this.events
  }

  /** Waits for the server's reconnection time (`retry:`). */
  async retryMs(): Promise<number> {
    return await until('the server has sent a reconnection time', () => this.#retryMs)
  }

  close(): void {
    this.#request.destroy()
  }

  #read(text: string): void {
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) this.#take(block)
  }

  #take(block: string): void {
    const fields = new Map<string, string>()
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':')
      if (colon === 0) this.comments++
      else fields.set(line.slice(0, colon), line.slice(colon + 1))
    }
    const [id, data] = [fields.get('id'), fields.get('data')]
    if (fields.has('retry')) this.#retryMs = Number(fields.get('retry'))
    if (id !== undefined) this.lastId = id
    if (data !== undefined)
      this.events.push({
        event: fields.get('event') ?? 'message',
        id: id ?? '',
        data: JSON.parse(data) as Record<string, unknown>,
      })
  }
}
