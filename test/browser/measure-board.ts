import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { Latencies } from '../../scripts/support/latencies.ts'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { untilSlowly } from '../support/until.ts'
import { type BoardRig, setFrozen, untilText } from './board-rig.ts'
import { committedMs, openProbed, type Percentiles, paintedOn, percentiles } from './page-probe.ts'
import { recordSounds, soundsOf } from './page-records.ts'

/** Each measurement adds what is wrong to `failures`, and only returns the times. */

const BOARD_COUNT = 3
const POLL_MS = 10
const PLACED_WHILE_ASLEEP = 40
const MOVED_WHILE_ASLEEP = 15
const CANCELLED_WHILE_ASLEEP = 5

/** Lets a board sleep for five minutes of its clock. @returns ms until it has caught up */
export async function measureSleep(rig: BoardRig, failures: string[]): Promise<number> {
  await rig.addRestaurant()
  const known = await rig.placeMany(MOVED_WHILE_ASLEEP + CANCELLED_WHILE_ASLEEP)
  const page = await rig.openBoard({}, recordSounds)
  await page.getByRole('button', { name: /turn on/ }).click()
  await page.getByRole('button', { name: 'Sound on' }).waitFor()
  await page.evaluate(() => (document.documentElement.dataset['bench'] = 'same page'))
  rig.proxy.freeze()
  await setFrozen(page, true)
  await rig.placeMany(PLACED_WHILE_ASLEEP)
  const { api } = rig.system
  for (const order of known.slice(0, MOVED_WHILE_ASLEEP))
    await api.call('PUT', `/api/v1/orders/${order}/ready`)
  for (const order of known.slice(MOVED_WHILE_ASLEEP)) await api.cancel(order)
  await setFrozen(page, false)
  await page.clock.fastForward('05:00')
  await untilText(page, '.banner', /Not connected since/)
  const stored = JSON.stringify(await rig.stored())
  rig.proxy.thaw()
  const thawedMs = performance.now()
  await untilSlowly('the board has caught up', async () => {
    await delay(POLL_MS)
    const isLive = await page.locator('.chip.live').isVisible()
    return isLive && JSON.stringify(await openShown(page)) === stored
  })
  const caughtUpMs = performance.now() - thawedMs
  const isSame = await page.evaluate(() => document.documentElement.dataset['bench'] === 'same page')
  if (!isSame) failures.push('the board was loaded again instead of catching up')
  const sounds = JSON.stringify(await soundsOf(page))
  if (sounds !== '{"new":1,"late":0,"cancelled":1}') failures.push(`after sleep, the board rang ${sounds}`)
  await rig.closePages()
  return caughtUpMs
}

/** Orders the last portion. @returns time until the boards show that it is sold out */
export async function measureSoldOut(rig: BoardRig, failures: string[]): Promise<Percentiles> {
  await rig.addRestaurant()
  const { api } = rig.system
  const { menu_item_id } = await api.addItem(rig.restaurant_id, 1)
  const boards = await openProbed(rig, BOARD_COUNT)
  for (const page of boards) {
    await page.getByRole('button', { name: /^Stock/ }).click()
    await untilText(page, `[data-item="${menu_item_id}"]`, /1 left/)
  }
  const { order_id } = await api.place(rig.restaurant_id, [menu_item_id, 1])
  await api.untilStatus(order_id, 'PREPARING')
  for (const page of boards) await untilText(page, `[data-item="${menu_item_id}"]`, /sold out/)
  const next = await api.place(rig.restaurant_id, [menu_item_id, 1])
  const { cancellation_reason } = await api.untilStatus(next.order_id, 'CANCELLED')
  if (cancellation_reason !== 'OUT_OF_STOCK')
    failures.push(`an order of a sold-out item: ${cancellation_reason}`)
  const [event] = await rig.system.query<{ at: number }>(
    `select ${committedMs} as at from outbox_events where type = 'inventory.item.changed.v1' and restaurant_id = $1
       and payload ->> 'menu_item_id' = $2 and (payload ->> 'available_qty')::int = 0`,
    [rig.restaurant_id, menu_item_id],
  )
  const latencies = new Latencies()
  for (const page of boards) {
    const paintedMs = (await paintedOn(page))[`sold out ${menu_item_id}`] ?? Number.NaN
    latencies.record(paintedMs - (event?.at ?? Number.NaN))
  }
  await rig.closePages()
  return percentiles(latencies)
}

/** @returns what violates the guarantees of `npm run verify` */
export async function findViolations(rig: BoardRig): Promise<string[]> {
  const violated: string[] = []
  for (const { name } of checks) {
    const rows = await rig.system.query(`select * from ops.${name} limit 1`, [])
    if (rows.length > 0) violated.push(`ops.${name} has rows: ${JSON.stringify(rows[0])}`)
  }
  return violated
}

/** The orders on the board by column, without the cancelled ones that a person has not seen. */
async function openShown(page: Page): Promise<Record<string, string[]>> {
  return await page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll<HTMLElement>('[data-column]')].map(section => [
        section.dataset['column'] ?? '',
        [...section.querySelectorAll<HTMLElement>('[data-order]:not(.cancelled)')].map(
          card => card.dataset['order'] ?? '',
        ),
      ]),
    ),
  )
}
