import type { Board } from './board.ts'

const CHECK_MS = 10 * 60_000
const QUIET_MS = 10_000
const POLL_MS = 1_000

/**
 * A board is open for weeks. Compares the version of the page with the server's after each
 * reconnect and every ten minutes, and loads the new one when no gesture is open, no cancelled
 * order and no notice waits to be acknowledged, and no person has touched the board for 10 s.
 */
export function watchVersion(board: Board): void {
  const { version } = document.documentElement.dataset
  let checkedMs = performance.now()
  let touchedMs = performance.now()
  let isOutdated = false
  // Each connection is another object, so that one that lasts less than a poll is seen too.
  let seen = board.connection
  for (const name of ['pointerdown', 'keydown'] as const)
    addEventListener(name, () => (touchedMs = performance.now()))

  async function check(): Promise<void> {
    checkedMs = performance.now()
    const served = await servedVersion(board)
    isOutdated = served !== undefined && served !== version
  }

  setInterval(() => {
    const now = performance.now()
    const isBack = board.isLive && board.connection !== seen
    seen = board.connection
    if (isBack || now - checkedMs > CHECK_MS) void check()
    const isQuiet = now - touchedMs > QUIET_MS && !board.panel && board.search.query === ''
    if (isOutdated && isQuiet && board.isLive && !holdsWork(board)) location.reload()
  }, POLL_MS)
}

/** Whether the board shows something that a new page could not know. */
function holdsWork(board: Board): boolean {
  const orders = board.columns().all.flatMap(column => column.orders)
  const hasNews = board.notices.length > 0 || orders.some(({ status }) => status === 'CANCELLED')
  return board.gestures.count > 0 || hasNews
}

/** @returns undefined when the server does not answer with the page */
async function servedVersion({ api }: Board): Promise<string | undefined> {
  try {
    const response = await fetch(api.url('board'), { cache: 'no-cache' })
    const [, version] = /data-version="([^"]+)"/.exec(await response.text()) ?? []
    return version
  } catch {
    return undefined
  }
}
