import { expect } from 'chai'
import { type LogLine, recordingLog } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { type ExpectedProblem, expectProblem } from './expect-problem.ts'
import { type RawRequest, send } from './send.ts'
import { createResources, type Ids } from './successful-requests.ts'

export interface Refusal {
  name: string
  request: RawRequest
  expected: ExpectedProblem
}

/** A running API with one resource of each kind, for requests that it rejects. */
export class RefusingSystem {
  readonly system: TestSystem
  readonly ids: Ids
  readonly #lines: LogLine[]

  private constructor(system: TestSystem, ids: Ids, lines: LogLine[]) {
    this.system = system
    this.ids = ids
    this.#lines = lines
  }

  static async start(): Promise<RefusingSystem> {
    const { log, lines } = recordingLog()
    // Without the asynchronous pipeline, only requests write.
    const system = await startSystem(['api', 'operations'], log)
    const ids = await createResources(request => send(system.api.baseUrl, request))
    return new RefusingSystem(system, ids, lines)
  }

  /**
   * Expects each request to be rejected as stated and to write nothing. Names every one that is
   * not.
   */
  async expectRefused(refusals: Refusal[]): Promise<void> {
    expect(refusals).not.to.deep.equal([])
    await this.expectUnchanged(async () => {
      const failures: string[] = []
      for (const { name, request, expected } of refusals) {
        try {
          expectProblem(await send(this.system.api.baseUrl, request), expected)
        } catch (error) {
          failures.push(`${name}: ${String(error)}`)
        }
      }
      expect(failures.join('\n')).to.equal('')
    })
  }

  /** Expects `work` to write nothing to the database and to log no error. */
  async expectUnchanged(work: () => Promise<void>): Promise<void> {
    const before = await this.#contents()
    await work()
    expect(await this.#contents()).to.deep.equal(before)
    expect(this.#lines.filter(({ level }) => Number(level) >= ERROR_LEVEL)).to.deep.equal([])
  }

  async #contents(): Promise<unknown> {
    const [row] = await this.system.database.query(contentsSql)
    return row
  }
}

/** pino's number of the level `error`. */
const ERROR_LEVEL = 50

const contentsSql = `
  select
    (select count(*) from restaurants) as restaurants,
    (select count(*) from menu_items) as menu_items,
    (select count(*) from stock_movements) as stock_movements,
    (select count(*) from orders) as orders,
    (select count(*) from order_items) as order_items,
    (select count(*) from order_transitions) as order_transitions,
    (select count(*) from outbox_events) as outbox_events,
    (select json_agg(w order by webhook_id) from webhooks as w) as webhooks,
    (select json_agg(d order by delivery_id) from webhook_deliveries as d) as webhook_deliveries,
    (select count(*) from idempotency_keys) as idempotency_keys,
    (select count(*) from order_references) as order_references,
    (select array_agg(status order by order_id) from orders) as statuses
`
