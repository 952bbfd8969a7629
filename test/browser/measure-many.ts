import { setTimeout as delay } from 'node:timers/promises'
import { untilSlowly } from '../support/until.ts'
import { type BoardRig, untilText } from './board-rig.ts'
import { addProbe, framesPerSecond, longestTask } from './page-probe.ts'

const ARRIVALS_PER_SECOND = 5
const PLACED_AT_A_TIME = 20

export interface ManyFigures {
  /** px */
  width: number
  /** from the beginning of a reload to all cards */
  shownMs: number
  /** longest task over 50 ms, or 0: while loading, idle, scrolling, and while orders arrive */
  longestTaskMs: { load: number; idle: number; scroll: number; arrivals: number }
  /** frames per second: of an empty page, while scrolling, and while orders arrive */
  frames: { empty: number; scroll: number; arrivals: number }
}

/**
 * Opens a board with many open orders on screens of several widths.
 * @param phaseMs duration of each part: idle, scrolling, arrivals
 */
export async function measureMany(
  rig: BoardRig,
  { open, slowdown, phaseMs }: { open: number; slowdown: number; phaseMs: number },
): Promise<ManyFigures[]> {
  await rig.addRestaurant()
  for (let placed = 0; placed < open; placed += PLACED_AT_A_TIME)
    await Promise.all(
      Array.from({ length: Math.min(PLACED_AT_A_TIME, open - placed) }, () => rig.submit('no nuts')),
    )
  await untilSlowly('all orders are prepared', async () => (await rig.stored())['cook']?.length === open)
  const figures: ManyFigures[] = []
  for (const [width, height] of [
    [320, 640],
    [3_840, 2_160],
  ] as const) {
    const viewport = { width, height }
    const empty = await framesPerSecond(await rig.openPage('about:blank', { viewport }), phaseMs, false)
    await rig.closePages()
    const page = await rig.openPage('about:blank', { viewport }, addProbe)
    const session = await page.context().newCDPSession(page)
    await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
    const began = performance.now()
    await page.goto(rig.url)
    await untilText(page, '.chip', /Live/)
    await rig.untilShownIsStored(page)
    const shownMs = performance.now() - began
    const load = await longestTask(page)
    await delay(phaseMs)
    const idle = await longestTask(page)
    const scroll = await framesPerSecond(page, phaseMs, true)
    const scrollTask = await longestTask(page)
    const [arrivals] = await Promise.all([framesPerSecond(page, phaseMs, false), placeSteadily(rig, phaseMs)])
    await rig.untilShownIsStored(page)
    figures.push({
      width,
      shownMs,
      longestTaskMs: { load, idle, scroll: scrollTask, arrivals: await longestTask(page) },
      frames: { empty, scroll, arrivals },
    })
    await rig.closePages()
  }
  return figures
}

async function placeSteadily(rig: BoardRig, phaseMs: number): Promise<void> {
  for (let ms = 0; ms < phaseMs; ms += 1_000 / ARRIVALS_PER_SECOND) {
    await rig.submit()
    await delay(1_000 / ARRIVALS_PER_SECOND)
  }
}
