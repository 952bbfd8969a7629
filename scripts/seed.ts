import {
  Listr,
  type ListrDefaultRendererLogLevels,
  ListrLogger,
  type ListrLogLevels,
  ProcessOutput,
} from 'listr2'
import type { MenuItemReply } from '../src/inventory/stock-contract.ts'
import { loadConfig } from '../src/platform/config.ts'
import { counted } from '../src/platform/counted.ts'
import { Api, localApiUrl, type NewOrder } from './support/api.ts'
import { baseUrl, commandLine, wholeNumber } from './support/command-line.ts'
import { MAX_DISH_COUNT } from './support/cuisines.ts'
import { inventOrder } from './support/invent-order.ts'
import {
  type InventedRestaurant,
  inventRestaurants,
  MAX_RESTAURANT_COUNT,
} from './support/invent-restaurants.ts'
import { runScript } from './support/run-script.ts'
import { SeededRandom } from './support/seeded-random.ts'

/** Adds restaurants, menus and optionally orders to a running Comanda, through its API. */

const MAX_ORDER_COUNT = 100_000
const MAX_SEED = 1_000_000_000
/** Concurrent orders. The placement queue of the API holds far more. */
const ORDER_CONCURRENCY_COUNT = 16
const BAR_WIDTH = 24

interface Seeded {
  restaurant_id: string
  /** in the order of the menu */
  items: MenuItemReply[]
}

await runScript(async () => {
  const config = loadConfig()
  const { restaurants, items, orders, seed, url } = commandLine(
    'npm run seed --',
    'Adds restaurants with menus, and optionally orders, through the API. The same seed creates the same data.',
    'npm run seed -- --restaurants 5 --orders 200',
  )
    .option('--restaurants <N>', 'number of restaurants', wholeNumber(1, MAX_RESTAURANT_COUNT), 3)
    .option('--items <N>', 'dishes per menu', wholeNumber(1, MAX_DISH_COUNT), 14)
    .option('--orders <N>', 'number of orders', wholeNumber(0, MAX_ORDER_COUNT), 0)
    .option('--seed <N>', 'determines names, prices and quantities', wholeNumber(0, MAX_SEED), 1)
    .option('--url <URL>', 'address of the API', baseUrl, localApiUrl(config))
    .parse()
    .opts()
  const api = new Api(url, config.API_TOKEN)
  await api.checkReady()
  const seeded: Seeded[] = []
  const steps = newSteps()
  for (const restaurant of inventRestaurants(new SeededRandom(seed, 'restaurants'), restaurants, items)) {
    steps.add({
      title: restaurant.name,
      task: async (_, step) => void seeded.push(await addRestaurant(api, restaurant, step)),
    })
  }
  if (orders > 0) {
    steps.add({
      title: counted(orders, 'order'),
      task: (_, step) => placeOrders(api, inventOrders(seeded, orders, seed), step),
    })
  }
  await steps.run()
  console.log(linesToPaste(url, seeded, config.API_TOKEN !== undefined))
  return 0
})

/** A step of the list: its title, and a signal that Ctrl-C aborts. */
interface Step {
  title: string
  signal: AbortSignal
}

/** Prints steps on stderr, so that stdout contains only lines to paste. */
function newSteps() {
  const processOutput = new ProcessOutput(process.stderr, process.stderr)
  return new Listr([], {
    fallbackRendererCondition: () => !process.stderr.isTTY,
    rendererOptions: {
      logger: new ListrLogger<ListrDefaultRendererLogLevels>({ useIcons: true, processOutput }),
      showErrorMessage: false,
    },
    fallbackRendererOptions: { logger: new ListrLogger<ListrLogLevels>({ useIcons: true, processOutput }) },
  })
}

/**
 * Draws a progress bar into the title of a step; only on a terminal, where lines can be
 * overwritten.
 */
function showProgress(step: Step, what: string, done: number, total: number): void {
  const isVisible = done === total || done % Math.ceil(total / BAR_WIDTH) === 0
  if (!process.stderr.isTTY || !isVisible) return
  const filled = Math.round((done / total) * BAR_WIDTH)
  step.title = `${what}  ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}  ${done} of ${total}`
}

/** Adds the dishes one after the other, so that their ids sort in the order of the menu. */
async function addRestaurant(api: Api, restaurant: InventedRestaurant, step: Step): Promise<Seeded> {
  const { name, currency, timeZone, items } = restaurant
  const { restaurant_id } = await api.addRestaurant({ name, currency, time_zone: timeZone })
  const added: MenuItemReply[] = []
  for (const item of items) {
    step.signal.throwIfAborted()
    added.push(await api.addMenuItem(restaurant_id, item))
    showProgress(step, name, added.length, items.length)
  }
  step.title = describe(restaurant)
  return { restaurant_id, items: added }
}

function describe({ name, cuisine, currency, items }: InventedRestaurant): string {
  const prices = items.map(({ price }) => price).sort((a, b) => Number(a) - Number(b))
  return `${name} (${cuisine}): ${counted(items.length, 'dish', 'dishes')} from ${prices[0]} to ${prices.at(-1)} ${currency}`
}

function inventOrders(seeded: readonly Seeded[], count: number, seed: number): NewOrder[] {
  const random = new SeededRandom(seed, 'orders')
  const menus = seeded.map(({ restaurant_id, items }) => ({
    restaurant_id,
    menu_item_ids: items.map(({ menu_item_id }) => menu_item_id),
  }))
  return Array.from({ length: count }, () => inventOrder(random, menus))
}

async function placeOrders(api: Api, orders: readonly NewOrder[], step: Step): Promise<void> {
  let done = 0
  const pending = orders.values()
  async function placeNext(): Promise<void> {
    for (const order of pending) {
      step.signal.throwIfAborted()
      await api.placeOrder(order)
      showProgress(step, 'Orders', ++done, orders.length)
    }
  }
  await Promise.all(Array.from({ length: ORDER_CONCURRENCY_COUNT }, placeNext))
  step.title = `${counted(done, 'order')} placed`
}

/** Returns shell lines without comments: an interactive zsh runs a pasted `#` as a command. */
function linesToPaste(url: string, seeded: readonly Seeded[], withToken: boolean): string {
  const variables = seeded.map(({ restaurant_id, items }, index) => {
    const number = index === 0 ? '' : `_${index + 1}`
    return `RESTAURANT_ID${number}=${restaurant_id}\nITEM_ID${number}=${items[0]?.menu_item_id}`
  })
  const body = JSON.stringify({
    restaurant_id: seeded[0]?.restaurant_id,
    items: [{ menu_item_id: seeded[0]?.items[0]?.menu_item_id, quantity: 1 }],
  })
  // The token itself must not be printed.
  const authorization = withToken ? ' -H "authorization: Bearer $API_TOKEN"' : ''
  const place = `curl -s ${url}/api/v1/orders${authorization} -H 'content-type: application/json' -d '${body}'`
  return [...variables, place].join('\n')
}
