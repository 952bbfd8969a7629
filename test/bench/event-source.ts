import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { ScriptError } from '../../scripts/support/script-error.ts'

/** Reads an event stream, and records when each event arrived and how often. */
export class EventSource {
  /** arrival of each event by id, in ms since the epoch: the clock that the database uses, too */
  readonly arrivals = new Map<string, number>()
  /** events that arrived more than once */
  repeated = 0
  heartbeats = 0
  /** the stream ended without {@link close} */
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

  /** Resolves when the snapshot has arrived. @throws ScriptError with a status other than 200 */
  static async open(url: string): Promise<EventSource> {
    return await new Promise((resolve, reject) => {
      const outgoing = request(url, { agent: false })
      outgoing.on('error', reject)
      outgoing.once('response', response => {
        if (response.statusCode !== 200) {
          outgoing.destroy()
          return reject(new ScriptError(`${url} responded with ${response.statusCode}`))
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
