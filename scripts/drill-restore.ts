import { Listr } from 'listr2'
import { ARCHIVE_TIMEOUT_SECONDS } from './drill/archiving-server.ts'
import { RestoreDrill } from './drill/restore-drill.ts'
import { commandLine, decimalNumber } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'

/** The drill of the runbook entry "Rows were deleted by mistake". */
await runScript(async () => {
  const { seconds } = commandLine(
    'npm run drill:restore --',
    'Takes a base backup while orders are placed, deletes rows by mistake, loses the server, and restores the database to the time before the mistake. Runs on embedded servers of its own in a temporary folder, and touches no other database.\nExits with 1 when the restored system is not as it was.',
    'npm run drill:restore -- --seconds 30',
  )
    .option('--seconds <N>', 'how long orders are placed between two steps', decimalNumber(0.2, 3_600), 3)
    .parse()
    .opts()
  const ms = seconds * 1_000
  const drill = new RestoreDrill()
  let ended: Promise<void> | undefined
  const end = () => (ended ??= drill.end())
  const endEarly = () => void end().finally(() => process.exit(130))
  process.once('SIGINT', endEarly).once('SIGTERM', endEarly)
  try {
    await new Listr(
      [
        step('start a server that archives its WAL, all roles, and clients', () => drill.start()),
        step('place orders', () => drill.placeOrders(ms)),
        step('take a base backup while orders are placed', () => drill.backUp()),
        step('place orders after the backup', () => drill.placeOrders(ms)),
        step('note the time, place more orders, then delete all stock movements by mistake', () =>
          drill.makeMistake(ms),
        ),
        step('lose the server and its disk while orders are placed', () => drill.loseServer()),
        step('restore the backup, and the archived WAL up to the noted time', () => drill.restoreToTime()),
        step('find exactly what was committed until then, and no violated invariant', () =>
          drill.checkExact(),
        ),
        step('start all roles, and prepare a new order', () => drill.startProcesses()),
        step('replay a key of a restored order, and use one of a lost order again', () => drill.checkKeys()),
        step('begin a stream of the lost timeline with a snapshot', () => drill.checkStreams()),
        step('deliver every event to the webhook', () => drill.checkWebhooks()),
        step('add every event to the statistics, and violate no invariant', () => drill.checkStatistics()),
        step('restore everything in the archive, as after the loss of the server alone', () =>
          drill.restoreToEnd(),
        ),
      ],
      {
        fallbackRendererCondition: () => !process.stdout.isTTY,
        rendererOptions: { showErrorMessage: false },
      },
    ).run()
    console.log(report(drill.figures))
    return 0
  } finally {
    process.off('SIGINT', endEarly).off('SIGTERM', endEarly)
    await end()
  }
})

/** A step, whose result is shown behind its title with the time that it took. */
function step(title: string, run: () => Promise<string | void>) {
  return {
    title,
    task: async (_: unknown, task: { title: string }) => {
      const began = performance.now()
      const result = await run()
      task.title = `${title} (${inSeconds(performance.now() - began)})${result ? `: ${result}` : ''}`
    },
  }
}

function report(figures: RestoreDrill['figures']): string {
  const { backupMs = 0, restoreMs = 0, recoveredMs = 0, accepted, lost, lostMs = 0 } = figures
  return `
backup: ${inSeconds(backupMs)}
RTO: ${inSeconds(restoreMs)} until the restored server accepts writes, ${inSeconds(recoveredMs)} until an order is PREPARING
RPO of a restore to a chosen time: nothing that was committed until then
RPO of the loss of the server: ${inSeconds(lostMs)}, ${lost} of ${accepted} accepted orders; archive_timeout is ${ARCHIVE_TIMEOUT_SECONDS} s
Both times grow with the database: measure them with your own backup.`
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
