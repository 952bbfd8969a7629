import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { Latencies } from '../../scripts/support/latencies.ts'
import type { BoardRig } from './board-rig.ts'
import { committedMs, openProbed, type Percentiles, paintedOn, percentiles } from './page-probe.ts'
import { countAnnounced, recordAnnouncements } from './page-records.ts'

const BOARD_COUNT = 3
const MOVE_MS = 200
/** Time after the last order in which the boards make the remaining ones ready. */
const MAX_LATER_MS = 120_000

/**
 * Places orders at a steady rate. Each of three boards makes every third order ready.
 * @returns times from a commit to the paint on every board: of new orders, and of ready ones
 */
export async function measureRush(
  rig: BoardRig,
  { orders, seconds }: { orders: number; seconds: number },
  failures: string[],
): Promise<{ placed: Percentiles; ready: Percentiles }> {
  await rig.addRestaurant()
  const boards = await openProbed(rig, BOARD_COUNT)
  for (const page of boards) await recordAnnouncements(page)
  const placed: string[] = []
  const began = performance.now()
  const placing = async () => {
    for (let count = 0; count < orders; count++) {
      await delay(Math.max(0, began + (count * seconds * 1_000) / orders - performance.now()))
      placed.push(await rig.submit(count % 3 === 0 ? `note ${count}` : undefined))
    }
  }
  const areAllReady = async () => {
    if (performance.now() - began > seconds * 1_000 + MAX_LATER_MS) throw new Error('orders stay To cook')
    return (await rig.stored())['ready']?.length === orders
  }
  await Promise.all([
    placing(),
    ...boards.map((page, index) =>
      makeReady(page, () => placed.filter((_, place) => place % BOARD_COUNT === index), areAllReady),
    ),
  ])
  for (const page of boards) await rig.untilShownIsStored(page)
  for (const [index, page] of boards.entries()) {
    const name = `board ${index + 1}`
    const announced = await countAnnounced(page)
    if (announced !== orders) failures.push(`${name} announced ${announced} orders instead of ${orders}`)
    const texts = JSON.stringify(await cardTexts(page))
    if (texts !== JSON.stringify(await storedTexts(rig))) failures.push(`${name} has other items or notes`)
    const notices = await page.locator('.notice').allInnerTexts()
    failures.push(...notices.map(notice => `${name} shows: ${notice}`))
  }
  const steps = await rig.system.query<{ order_id: string; count: number }>(
    `select order_id, count(*)::int as count from order_transitions where restaurant_id = $1
     group by order_id having count(*) <> 3`,
    [rig.restaurant_id],
  )
  failures.push(...steps.map(({ order_id, count }) => `order ${order_id} has ${count} steps`))
  const result = {
    placed: await fromCommit(rig, boards, 'order.status.preparing.v1', 'cook', failures),
    ready: await fromCommit(rig, boards, 'order.ready.v1', 'ready', failures),
  }
  await rig.closePages()
  return result
}

/** Presses Ready on the orders of a board until all are ready. Cards are deaf after they move. */
async function makeReady(
  page: Page,
  own: () => string[],
  areAllReady: () => Promise<boolean>,
): Promise<void> {
  while (!(await areAllReady())) {
    await page.evaluate(ids => {
      const cards = ids.map(id => document.querySelector(`[data-column="cook"] [data-order="${id}"]`))
      const next = cards.find(card => card?.querySelector('.move') && !card.matches('.pending'))
      next?.querySelector<HTMLElement>('.move')?.click()
    }, own())
    await delay(MOVE_MS)
  }
}

/** Time from the commit of each event to the first frame with its card, on every board. */
async function fromCommit(
  rig: BoardRig,
  boards: Page[],
  type: string,
  column: string,
  failures: string[],
): Promise<Percentiles> {
  const events = await rig.system.query<{ order_id: string; at: number }>(
    `select order_id, ${committedMs} as at from outbox_events where restaurant_id = $1 and type = $2`,
    [rig.restaurant_id, type],
  )
  const latencies = new Latencies()
  for (const page of boards) {
    const painted = await paintedOn(page)
    for (const { order_id, at } of events) {
      const paintedMs = painted[`${column} ${order_id}`]
      if (paintedMs === undefined) failures.push(`order ${order_id} was never painted in ${column}`)
      else latencies.record(paintedMs - at)
    }
  }
  return percentiles(latencies)
}

async function cardTexts(page: Page): Promise<string[]> {
  const texts = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('[data-order]')].map(card =>
      [
        card.dataset['order'],
        ...[...card.querySelectorAll('.items li, .note')].map(e => e.textContent.trim()),
      ]
        .join(' ')
        .replaceAll(/\s+/g, ' '),
    ),
  )
  return texts.toSorted()
}

async function storedTexts(rig: BoardRig): Promise<string[]> {
  const rows = await rig.system.query<{ text: string }>(
    `select concat_ws(' ', order_id, quantity || '×', name, 'Note ' || notes) as text
     from orders join order_items using (order_id) where orders.restaurant_id = $1`,
    [rig.restaurant_id],
  )
  return rows.map(({ text }) => text).toSorted()
}
