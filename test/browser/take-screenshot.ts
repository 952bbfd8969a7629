import { join } from 'node:path'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { ApiClient } from '../support/api-client.ts'
import { launchBrowser, openPage } from './browser.ts'

/**
 * Takes the picture of the board in README.md: `npm start` with an empty database, and in a second
 * terminal `npm run screenshot`.
 */
const PICTURE = join(import.meta.dirname, '..', '..', 'docs', 'board.png')
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

const placed: string[] = []
for (const order of orders) placed.push(await place(order))
const [out = '', ready = ''] = placed
await api.call('PUT', `/api/v1/orders/${ready}/ready`)
await api.call('PATCH', `/api/v1/orders/${out}/status`, { status: 'OUT_FOR_DELIVERY' })

const browser = await launchBrowser()
try {
  const { page, close } = await openPage(browser, `${api.baseUrl}/board?restaurant=${restaurant}`)
  await page.locator('.chip', { hasText: 'Live' }).waitFor()
  await page.locator(`[data-order="${placed.at(-1)}"]`).waitFor()
  await page.screenshot({ path: PICTURE })
  await close()
} finally {
  await browser.close()
}
console.log(`wrote ${PICTURE}`)
