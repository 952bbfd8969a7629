import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import type { Config } from '../../src/platform/config.ts'
import type { ApiService } from '../../src/processes/api.ts'
import { ApiClient } from '../support/api-client.ts'
import { freePort } from '../support/free-port.ts'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

interface Message {
  event: string
  id: string
  data: string
}
type Follow = (
  url: string,
  token: () => string,
  onEvent: (message: Message) => void,
  signal?: AbortSignal,
) => Promise<void>

/** The function that docs/streams.md shows, which runs in Node as it does in a browser. */
describe('following a stream in a browser under authentication, as docs/streams.md shows it', () => {
  const folder = temporaryFolder('streams')
  let database: Awaited<ReturnType<typeof openTestDatabase>>
  let config: Config
  let api: ApiService
  let follow: Follow
  let key: string

  const start = () => startApi(config, database.url, quiet)

  before(async () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'streams.md'), 'utf8')
    const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? []
    const file = join(folder, 'follow.mjs')
    const parser = import.meta.resolve('eventsource-parser/stream')
    writeFileSync(file, code.replace(`'eventsource-parser/stream'`, JSON.stringify(parser)))
    ;({ follow } = (await import(pathToFileURL(file).href)) as { follow: Follow })
    database = await openTestDatabase()
    // A fixed port, so that the API can be restarted.
    const PORT = await freePort()
    config = { ...testConfig, PORT, AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: 0 }
    api = await start()
    const created = await createApiKey(database.database, {
      name: 'board',
      scopes: ['orders:read', 'orders:write', 'inventory:write'],
      restaurant_ids: undefined,
    })
    ;({ key } = created)
  })
  after(async () => {
    rmSync(folder, { recursive: true })
    await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await database.close()
  })

  it('receives the snapshot, then each event once, also after a reconnect', async () => {
    const client = new ApiClient(api.url, key)
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 10)
    const received: Message[] = []
    const stop = new AbortController()
    const url = `${api.url}/api/v1/restaurants/${restaurant_id}/stream`
    let tokenCount = 0
    const token = () => {
      tokenCount++
      return key
    }
    const ended = follow(url, token, message => received.push(message), stop.signal)
    await until('the snapshot is there', () => received.length === 1)
    await client.place(restaurant_id, [menu_item_id, 1])
    await until('the first event is there', () => received.length === 2)
    await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    api = await start()
    await client.place(restaurant_id, [menu_item_id, 1])
    await until('the second event is there', () => received.length === 3)
    stop.abort()
    await ended
    expect(received.map(({ event }) => event)).to.deep.equal([
      'snapshot',
      'order.placed.v1',
      'order.placed.v1',
    ])
    expect(new Set(received.map(({ id }) => id)).size).to.equal(3)
    expect(tokenCount).to.be.above(1)
  })

  it('ends after the final event of an order', async () => {
    const client = new ApiClient(api.url, key)
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 10)
    const { order_id } = await client.place(restaurant_id, [menu_item_id, 1])
    const received: string[] = []
    const url = `${api.url}/api/v1/orders/${order_id}/stream`
    const ended = follow(
      url,
      () => key,
      ({ event }) => received.push(event),
    )
    await until('the snapshot is there', () => received.length === 1)
    await client.cancel(order_id)
    await ended
    expect(received).to.deep.equal(['snapshot', 'order.cancelled.v1'])
  })

  it('fails at once on a wrong token', async () => {
    const url = `${api.url}/api/v1/restaurants/x/stream`
    const error = await follow(
      url,
      () => 'wrong',
      () => undefined,
    ).catch(String)
    expect(error).to.contain('unauthenticated')
  })
})
