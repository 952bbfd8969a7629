import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { poissonArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { problemOf } from '../../src/http/problem.ts'
import { freePort } from '../support/free-port.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { spawnScript } from './spawn-script.ts'

/** Numbers of the summary by their line. */
function numbersOf(stdout: string): (line: string) => number {
  return line => Number(new RegExp(`^ *${line} +(\\d+)`, 'm').exec(stdout)?.[1] ?? Number.NaN)
}

describe('npm run simulate', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())

  /** The orders as they are in the database, under the names of the summary. */
  async function countOrders(since: Date): Promise<Record<string, number>> {
    const rows = await system.database.query<{ ending: string; count: number }>(
      `select case
          when cancellation_reason = 'OUT_OF_STOCK' then 'CANCELLED, out of stock'
          when status = 'CANCELLED' then 'CANCELLED by customer'
          else status
        end as ending, count(*)
      from orders where placed_at >= $1 group by 1`,
      [since],
    )
    return Object.fromEntries(rows.map(({ ending, count }) => [ending, count]))
  }

  async function expectSummaryToAddUp(stdout: string, since: Date): Promise<void> {
    const number = numbersOf(stdout)
    const endings = [
      'DELIVERED',
      'OUT_FOR_DELIVERY',
      'PREPARING',
      'PLACED',
      'CANCELLED by customer',
      'CANCELLED, out of stock',
    ]
    const counted: Record<string, number> = Object.fromEntries(
      endings.map(name => [name, number(name)]).filter(([, count]) => count),
    )
    expect(counted, stdout).to.deep.equal(await countOrders(since))
    expect(Object.values(counted).reduce((sum, count) => sum + count, 0)).to.equal(number('orders accepted'))
  }

  it('ends every simulated order in a status that the database confirms', async () => {
    const since = new Date()
    const args = ['--rate', '20', '--for', '2s', '--seed', '3', '--url', system.api.baseUrl]
    const { status, stdout, stderr } = await spawnScript('simulate', args).ended
    const number = numbersOf(stdout)
    const customers = [...poissonArrivals(new SeededRandom(3, 'arrivals'), 20, 2_000)].length
    expect(status, stdout).to.equal(0)
    expect([number('customers'), number('orders accepted'), number('POST /orders')]).to.deep.equal([
      customers,
      customers,
      customers,
    ])
    expect(number('DELIVERED')).to.be.greaterThan(0)
    expect(number('PLACED')).to.equal(0)
    await expectSummaryToAddUp(stdout, since)
    expect(stdout).to.match(/^PLACED → PREPARING +\d+( +\d+\.?\d*){4}$/m)
    expect(stdout).to.include('No call got 5xx or no response.')
    expect(stderr)
      .to.match(/^closing · /m)
      .and.not.include('\u001b')
  })

  it('orders the given item and reports stock-outs separately', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 3)
    const since = new Date()
    const args = ['--rate', '30', '--for', '1s', '--item', menu_item_id, '--url', system.api.baseUrl]
    const { status, stdout } = await spawnScript('simulate', args).ended
    expect(status, stdout).to.equal(0)
    await expectSummaryToAddUp(stdout, since)
    expect(numbersOf(stdout)('CANCELLED, out of stock')).to.be.greaterThan(0)
    const others = await system.database.query(
      'select 1 from orders join order_items using (order_id, restaurant_id) where placed_at >= $1 and menu_item_id <> $2',
      [since, menu_item_id],
    )
    expect(others).to.deep.equal([])
  })

  it('finds the menu of a restaurant without given items, in any currency', async () => {
    const { restaurant_id } = await system.api.addRestaurant('JPY')
    const args = ['--rate', '10', '--for', '1s', '--restaurant', restaurant_id, '--url', system.api.baseUrl]
    const { status, stdout } = await spawnScript('simulate', args).ended
    const [row] = await system.database.query<{ count: number }>(
      'select count(*) from orders where restaurant_id = $1',
      [restaurant_id],
    )
    expect([status, row?.count]).to.deep.equal([0, numbersOf(stdout)('orders accepted')])
  })

  it('prints its summary when it is stopped by Ctrl-C', async () => {
    const since = new Date()
    const { child, ended } = spawnScript('simulate', ['--for', '10m', '--url', system.api.baseUrl])
    await until('a few orders are placed', async () => {
      const rows = await system.database.query('select 1 from orders where placed_at >= $1 limit 5', [since])
      return rows.length === 5
    })
    child.kill('SIGINT')
    child.kill('SIGINT') // npm sends a second one at once
    const { status, stdout } = await ended
    expect(status).to.equal(0)
    const number = numbersOf(stdout)
    expect(number('orders accepted')).to.be.at.least(5)
    const inDatabase = Object.values(await countOrders(since)).reduce((sum, count) => sum + count, 0)
    expect(number('orders accepted')).to.equal(inDatabase)
  })

  describe('with a failing API', () => {
    let server: Server | undefined

    afterEach(async () => {
      server?.closeAllConnections()
      await new Promise(done => (server ? server.close(done) : done(undefined)))
      server = undefined
    })

    /** An API with one item that answers orders as configured. */
    async function serve(onOrder: (response: ServerResponse) => void): Promise<string> {
      server = createServer((request, response) => {
        request.resume()
        request.on('end', () => {
          if (request.method === 'POST') onOrder(response)
          else response.end(JSON.stringify({ restaurant_id: uuidv7() }))
        })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }

    const customers = [...poissonArrivals(new SeededRandom(1, 'arrivals'), 40, 1_000)].length
    const args = ['--rate', '40', '--for', '1s', '--item', uuidv7(), '--url']

    /** What answers here is no API, and not held against its document. */
    const simulate = (url: string) => spawnScript('simulate', [...args, url], { HOLD_ANSWERS: 'false' }).ended

    it('keeps placing orders while none is answered, and fails on a 5xx', async () => {
      const waiting: ServerResponse[] = []
      const url = await serve(response => {
        // Nobody is answered before the last customer has come: waiting for answers would never get
        // there.
        if (waiting.push(response) < customers) return
        for (const one of waiting)
          one.writeHead(503).end(JSON.stringify(problemOf('overloaded', 'The queue is full', 'id')))
      })
      const { status, stdout } = await simulate(url)
      expect(status).to.equal(1)
      expect(numbersOf(stdout)('not accepted')).to.equal(customers)
      expect(stdout).to.match(new RegExp(`^overloaded +503 +${customers} +The queue is full$`, 'm'))
      expect(stdout).to.include(`FAILED: ${customers} calls got 5xx or no response.`)
    })

    it('fails when connections break', async () => {
      const url = await serve(response => response.destroy())
      const { status, stdout } = await simulate(url)
      expect(status).to.equal(1)
      expect(stdout).to.include(`FAILED: ${customers} calls got 5xx or no response.`)
    })

    it('does not fail when orders are refused with 4xx', async () => {
      const url = await serve(response =>
        response.writeHead(422).end(JSON.stringify(problemOf('validation-failed', 'not on the menu', 'id'))),
      )
      const { status, stdout } = await simulate(url)
      expect([status, numbersOf(stdout)('not accepted')]).to.deep.equal([0, customers])
      expect(stdout).to.match(new RegExp(`^validation-failed +422 +${customers} `, 'm'))
    })

    it('prints one line when no API answers', async () => {
      const url = `http://127.0.0.1:${await freePort()}`
      const { status, stdout, stderr } = await spawnScript('simulate', ['--url', url]).ended
      expect([status, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(/^comanda: no response from .* \(ECONNREFUSED\): .*\n$/)
    })
  })

  const bad: [string[], string][] = [
    [['--rate', '0'], "option '--rate <N>' argument '0' is invalid. Expected a number from 0.1 to 1000."],
    [
      ['--for', 'ever'],
      "option '--for <TIME>' argument 'ever' is invalid. Expected a duration like 90s or 5m, from 100 ms to 60 minutes.",
    ],
    [['--item', '7'], "option '--item <ID>' argument '7' is invalid. Expected an id (a UUID)."],
  ]
  for (const [args, message] of bad) {
    it(`prints one line for the invalid options ${args.join(' ')}`, async () => {
      const ended = await spawnScript('simulate', args).ended
      expect(ended).to.deep.equal({ status: 1, stdout: '', stderr: `comanda: ${message}\n` })
    })
  }

  it('prints one line when a restaurant does not exist', async () => {
    const { status, stdout, stderr } = await spawnScript('simulate', [
      '--restaurant',
      uuidv7(),
      '--url',
      system.api.baseUrl,
    ]).ended
    expect([status, stdout]).to.deep.equal([1, ''])
    expect(stderr).to.match(/^comanda: POST .* 404 restaurant-not-found: .*\n$/)
  })
})
