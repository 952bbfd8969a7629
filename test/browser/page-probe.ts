import type { Page } from 'playwright-core'
import type { Latencies } from '../../scripts/support/latencies.ts'
import { type BoardRig, untilText } from './board-rig.ts'

/** What a page records about itself from the beginning, by the clock of this machine. */
interface Probe {
  /** ms since 1970, one frame after the first one with a card, by `<column> <order_id>` */
  painted: Record<string, number>
  /** ms of each task over 50 ms */
  longTasks: () => number[]
}

/** Lets a page record its {@link Probe}. Call it before the page loads. */
export async function addProbe(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const painted: Record<string, number> = {}
    const note = (key: string) => requestAnimationFrame(() => (painted[key] ??= Date.now()))
    const columnOf = (card: Element) => card.closest<HTMLElement>('[data-column]')?.dataset['column']
    const noteCards = (node: HTMLElement) => {
      const cards = node.matches('[data-order]') ? [node] : node.querySelectorAll<HTMLElement>('[data-order]')
      for (const card of cards) note(`${columnOf(card)} ${card.dataset['order']}`)
    }
    new MutationObserver(records => {
      for (const { addedNodes } of records)
        for (const node of addedNodes) if (node instanceof HTMLElement) noteCards(node)
      for (const item of document.querySelectorAll<HTMLElement>('[data-item]'))
        if (item.textContent.includes('sold out')) note(`sold out ${item.dataset['item']}`)
    }).observe(document, { subtree: true, childList: true, characterData: true })

    const durations: number[] = []
    const record = (entries: PerformanceEntryList) => durations.push(...entries.map(each => each.duration))
    const observer = new PerformanceObserver(list => record(list.getEntries()))
    observer.observe({ type: 'longtask', buffered: true })
    const longTasks = () => {
      record(observer.takeRecords())
      return durations.splice(0)
    }
    Object.assign(globalThis, { probe: { painted, longTasks } satisfies Probe })
  })
}

export async function paintedOn(page: Page): Promise<Record<string, number>> {
  return await page.evaluate(() => (globalThis as unknown as { probe: Probe }).probe.painted)
}

/** Returns the longest task over 50 ms since the last call, in ms; 0 when there was none. */
export async function longestTask(page: Page): Promise<number> {
  const durations = await page.evaluate(() => (globalThis as unknown as { probe: Probe }).probe.longTasks())
  return Math.max(0, ...durations)
}

/** Returns the frames per second of a page, which scrolls from top to bottom if wanted. */
export async function framesPerSecond(page: Page, ms: number, isScrolling: boolean): Promise<number> {
  return await page.evaluate(
    async ({ ms, isScrolling }) => {
      const began = performance.now()
      for (let frames = 0; ; frames++) {
        await new Promise(done => requestAnimationFrame(done))
        const part = (performance.now() - began) / ms
        if (part >= 1) return (frames / ms) * 1_000
        if (isScrolling) scrollTo(0, part * (document.documentElement.scrollHeight - innerHeight))
      }
    },
    { ms, isScrolling },
  )
}

/** Opens boards that record their {@link Probe}. */
export async function openProbed(rig: BoardRig, count: number): Promise<Page[]> {
  const boards: Page[] = []
  while (boards.length < count) {
    const page = await rig.openPage(rig.url, {}, addProbe)
    await untilText(page, '.chip', /Live/)
    boards.push(page)
  }
  return boards
}

/** SQL: the time of the commit of a row of `outbox_events`, in ms since 1970. */
export const committedMs = `(extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8`

export interface Percentiles {
  count: number
  p50Ms: number
  p99Ms: number
}

export function percentiles(latencies: Latencies): Percentiles {
  return { count: latencies.count, p50Ms: latencies.percentile(50), p99Ms: latencies.percentile(99) }
}
