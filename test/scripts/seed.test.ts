import { expect } from 'chai'
import { cuisines, MAX_DISH_COUNT } from '../../scripts/support/cuisines.ts'
import { inventRestaurants, MAX_RESTAURANT_COUNT } from '../../scripts/support/invent-restaurants.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { freePort } from '../support/free-port.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { type Ended, spawnScript } from './spawn-script.ts'

describe('npm run seed', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())

  /** Seeds, and gives the ids of the restaurants as they were printed. */
  async function seed(...args: string[]): Promise<Ended & { restaurantIds: string[]; itemIds: string[] }> {
    const ended = await spawnScript('seed', ['--url', system.api.baseUrl, ...args]).ended
    expect(ended.status, ended.stderr).to.equal(0)
    const printed = (name: string) =>
      [...ended.stdout.matchAll(new RegExp(`^${name}(?:_\\d+)?=(.+)$`, 'gm'))].map(([, id]) => id as string)
    return { ...ended, restaurantIds: printed('RESTAURANT_ID'), itemIds: printed('ITEM_ID') }
  }

  async function menusOf(restaurantIds: string[]) {
    return await system.database.query(
      `select place, r.name as restaurant, currency, i.name, price_minor, delta as stocked, low_stock_threshold
      from unnest($1::uuid[]) with ordinality as wanted (restaurant_id, place)
      join restaurants as r using (restaurant_id)
      join menu_items as i using (restaurant_id)
      join stock_movements as m using (menu_item_id, restaurant_id)
      where kind = 'INITIAL'
      order by place, menu_item_id`,
      [restaurantIds],
    )
  }

  async function ordersOf(restaurantIds: string[]) {
    return await system.database.query(
      `select array_position($1::uuid[], restaurant_id) as place, customer_id, notes,
        array_agg((name, quantity)::text order by line_no) as lines
      from orders join order_items using (order_id, restaurant_id)
      where restaurant_id = any ($1)
      group by order_id, restaurant_id, customer_id, notes
      order by place, customer_id, lines, notes`,
      [restaurantIds],
    )
  }

  it('creates the same restaurants, menus and orders from the same seed', async () => {
    const args = ['--restaurants', '3', '--items', '5', '--orders', '20', '--seed', '7']
    const first = await seed(...args)
    const second = await seed(...args)
    const menus = await menusOf(first.restaurantIds)
    const orders = await ordersOf(first.restaurantIds)
    expect(first.restaurantIds).to.have.lengthOf(3).and.not.deep.equal(second.restaurantIds)
    expect(menus).to.have.lengthOf(15)
    expect(orders).to.have.lengthOf(20)
    expect(await menusOf(second.restaurantIds)).to.deep.equal(menus)
    expect(await ordersOf(second.restaurantIds)).to.deep.equal(orders)
  })

  it('creates others from another seed', async () => {
    const one = await seed('--seed', '1')
    const other = await seed('--seed', '2')
    expect(await menusOf(one.restaurantIds)).not.to.deep.equal(await menusOf(other.restaurantIds))
  })

  it('prints only shell lines that work when pasted', async () => {
    const { stdout, restaurantIds, itemIds } = await seed('--restaurants', '2')
    expect([restaurantIds.length, itemIds.length]).to.deep.equal([2, 2])
    for (const [index, id] of itemIds.entries()) {
      expect((await system.api.item(id)).restaurant_id).to.equal(restaurantIds[index])
    }
    const lines = stdout.trim().split('\n')
    expect(lines).to.have.lengthOf(5)
    const curl = /^curl -s (\S+) -H 'content-type: application\/json' -d '([^']+)'$/.exec(lines.at(-1) ?? '')
    expect(curl, lines.at(-1)).to.be.an('array')
    const [, url = '', body = ''] = curl ?? []
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(response.status).to.equal(202)
    expect(await response.json()).to.include({ restaurant_id: restaurantIds[0] })
  })

  it('has menus that the API accepts, in the currency of each cuisine', async () => {
    const { restaurantIds } = await seed(
      '--restaurants',
      String(cuisines.length),
      '--items',
      String(MAX_DISH_COUNT),
    )
    const menus = (await menusOf(restaurantIds)) as { price_minor: number; currency: string }[]
    expect(menus).to.have.lengthOf(cuisines.length * MAX_DISH_COUNT)
    expect(new Set(menus.map(({ currency }) => currency))).to.include.all.keys('EUR', 'JPY', 'KWD')
    expect(menus.filter(({ price_minor }) => price_minor <= 0)).to.deep.equal([])
  })

  it('gives each restaurant a unique name', () => {
    const names = inventRestaurants(new SeededRandom(1, 'test'), MAX_RESTAURANT_COUNT, 1).map(
      ({ name }) => name,
    )
    expect(new Set(names)).to.have.lengthOf(MAX_RESTAURANT_COUNT)
  })

  it('prints its progress on stderr', async () => {
    const { stderr } = await seed('--restaurants', '1', '--items', '2', '--orders', '3')
    expect(stderr)
      .to.match(/: 2 dishes from [\d.]+ to [\d.]+ [A-Z]{3}\n/)
      .and.include('3 orders placed\n')
  })

  describe('when it fails', () => {
    const bad: [string[], string][] = [
      [
        ['--items', '0'],
        "option '--items <N>' argument '0' is invalid. Expected a whole number from 1 to 24.",
      ],
      [
        ['--orders', '1e3'],
        "option '--orders <N>' argument '1e3' is invalid. Expected a whole number from 0 to 100000.",
      ],
      [
        ['--url', 'nowhere'],
        "option '--url <URL>' argument 'nowhere' is invalid. Expected an address like http://127.0.0.1:8000.",
      ],
      [['--seed'], "option '--seed <N>' argument missing. `--help` lists the options."],
      [['--dishes', '3'], "unknown option '--dishes'. `--help` lists the options."],
      [
        ['3'],
        'too many arguments. Expected 0 arguments but got 1: 3. npm passes options on only after `--`. `--help` lists the options.',
      ],
    ]
    for (const [args, message] of bad) {
      it(`prints one line for the invalid options ${args.join(' ')}`, async () => {
        const ended = await spawnScript('seed', args).ended
        expect(ended).to.deep.equal({ status: 1, stdout: '', stderr: `comanda: ${message}\n` })
      })
    }

    it('prints one line when no API answers', async () => {
      const url = `http://127.0.0.1:${await freePort()}`
      const { status, stderr } = await spawnScript('seed', ['--url', url]).ended
      expect([status, stderr]).to.deep.equal([
        1,
        `comanda: no response from ${url} (ECONNREFUSED): is Comanda running there? \`npm start\` starts it\n`,
      ])
    })
  })

  it('lists its options', async () => {
    const { status, stdout } = await spawnScript('seed', ['--help']).ended
    expect(status).to.equal(0)
    for (const option of ['restaurants', 'items', 'orders', 'seed', 'url'])
      expect(stdout).to.include(`--${option} `)
  })

  it('calls the API on the configured port', async () => {
    const port = String(await freePort())
    const { stderr } = await spawnScript('seed', [], { PORT: port }).ended
    expect(stderr).to.include(`no response from http://127.0.0.1:${port} `)
  })
})
