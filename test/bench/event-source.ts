import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { ScriptError } from '../../scripts/support/script-error.ts'

/** Follows an event stream: notes when each event came, and how often. */
export class EventSource {
  /** when each event came, by its id, in ms of the wall clock: the database's on the same machine */
  readonly arrivals = new Map<string, number>()
  /** events that came more than once */
  repeated = 0
  heartbeats = 0
  /** ended, although nobody here ended it */
  isBroken = false
  readonly #request: ClientRequest
  #rest = ''

  private constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#request = outgoing
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#read(text))
    response.on('error', () => undefined)
    response.once('close', () => (this.isBroken = !outgoing.destroyed || this.isBroken))
  }

  /** Resolves when the snapshot has come. @throws ScriptError with the status of an answer that is no stream */
  static async open(url: string): Promise<EventSource> {
    return await new Promise((resolve, reject) => {
      const outgoing = request(url, { agent: false })
      outgoing.on('error', reject)
      outgoing.once('response', response => {
        if (response.statusCode !== 200) {
          outgoing.destroy()
          return reject(new ScriptError(`${url} was answered with ${response.statusCode}`))
        }
        const source = new EventSource(outgoing, response)
        response.once('data', () => resolve(source))
      })
      outgoing.end()
    })
  }

  close(): void {
    this.#request.destroy()
  }

  #read(text: string): void {
    const at = Date.now()
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (block.startsWith(':')) this.heartbeats++
      const [, data] = /^data: ?(.*)$/m.exec(block) ?? []
      if (data === undefined || /^event: ?snapshot$/m.test(block)) continue
      const { id } = JSON.parse(data) as { id: string }
      if (this.arrivals.has(id)) this.repeated++
      else this.arrivals.set(id, at)
    }
  }
}
