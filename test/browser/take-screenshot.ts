import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { connect } from '../../scripts/support/connect.ts'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { ApiClient } from '../support/api-client.ts'
import { untilSlowly } from '../support/until.ts'
import { launchBrowser, openPage } from './browser.ts'

/**
 * Takes the pictures of the board in README.md, and of the console in docs/operations.md: `npm
 * start` with an empty database, and in a second terminal `npm run screenshot`.
 */
const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const api = new ApiClient(process.env['COMANDA_URL'] ?? 'http://127.0.0.1:8000')
const { restaurant, margherita, tiramisu, lemonade } = demoIds

/** The quantities of each dish, and the note. */
const orders: [margherita: number, tiramisu: number, lemonade: number, notes?: string][] = [
  [2, 0, 2],
  [1, 1, 0],
  [1, 0, 1, 'no basil, please'],
  [0, 3, 0],
  [4, 2, 4],
  [1, 0, 0, 'nut allergy!'],
]

async function place([pizzas, desserts, drinks, notes]: (typeof orders)[number]): Promise<string> {
  const items = [
    { menu_item_id: margherita, quantity: pizzas },
    { menu_item_id: tiramisu, quantity: desserts },
    { menu_item_id: lemonade, quantity: drinks },
  ].filter(({ quantity }) => quantity > 0)
  const placed = await api.call<{ order_id: string }>('POST', '/api/v1/orders', {
    restaurant_id: restaurant,
    items,
    ...(notes ? { notes } : {}),
  })
  await api.untilStatus(placed.body.order_id, 'PREPARING')
  return placed.body.order_id
}

/** Places an order whose deduction fails until it is a dead letter, and removes the cause. */
async function poison(): Promise<string> {
  const client = await connect('comanda screenshot')
  try {
    await client.query(
      `create function burn() returns trigger language plpgsql as $$ begin raise 'no space left on device'; end $$;
      create trigger fire before insert on stock_movements execute function burn();
      create function once() returns trigger language plpgsql as $$ begin new.retry_limit := 0; return new; end $$;
      create trigger once before insert on pgboss.job for each row execute function once()`,
    )
    const items = [{ menu_item_id: margherita, quantity: 2 }]
    const body = { restaurant_id: restaurant, customer_id: 'table-7', items }
    const { body: order } = await api.call<{ order_id: string }>('POST', '/api/v1/orders', body)
    await untilSlowly('the job is a dead letter', async () => {
      const found = await client.query('select from ops.dead_letters where order_id = $1', [order.order_id])
      return found.rows.length === 1
    })
    return order.order_id
  } finally {
    await client.query('drop function if exists burn() cascade; drop function if exists once() cascade')
    await client.end()
  }
}

async function take(
  browser: Browser,
  name: string,
  path: string,
  untilComplete: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const { page, close } = await openPage(browser, `${api.baseUrl}${path}`, options)
  await untilComplete(page)
  const picture = join(DOCS, `${name}.png`)
  await page.screenshot({ path: picture })
  await close()
  console.log(`wrote ${picture}`)
}

const placed: string[] = []
for (const order of orders) placed.push(await place(order))
const [out = '', ready = ''] = placed
await api.call('PUT', `/api/v1/orders/${ready}/ready`)
await api.call('PATCH', `/api/v1/orders/${out}/status`, { status: 'OUT_FOR_DELIVERY' })

const browser = await launchBrowser()
try {
  await take(browser, 'board', `/board?restaurant=${restaurant}`, async page => {
    await page.locator('.chip', { hasText: 'Live' }).waitFor()
    await page.locator(`[data-order="${placed.at(-1)}"]`).waitFor()
  })
  const order = await poison()
  await take(browser, 'console', '/console', page =>
    page.getByText('1 dead letter is open').first().waitFor(),
  )
  await take(
    browser,
    'console-order',
    `/console?view=order&id=${order}`,
    async page => {
      await page.getByRole('heading', { name: `Order ${orderCode(order)}` }).waitFor()
      await page.getByRole('button', { name: /^Redrive/ }).waitFor()
    },
    { colorScheme: 'dark' },
  )
} finally {
  await browser.close()
}
