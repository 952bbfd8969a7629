import { ARCHIVE_TIMEOUT_SECONDS } from './drill/archiving-server.ts'
import { RestoreDrill } from './drill/restore-drill.ts'
import { inSeconds, runDrill } from './drill/run-drill.ts'
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
  const steps = [
    { title: 'start a server that archives its WAL, all roles, and clients', run: () => drill.start() },
    { title: 'place orders', run: () => drill.placeOrders(ms) },
    { title: 'take a base backup while orders are placed', run: () => drill.backUp() },
    { title: 'place orders after the backup', run: () => drill.placeOrders(ms) },
    {
      title: 'note the time, place more orders, then delete all stock movements by mistake',
      run: () => drill.makeMistake(ms),
    },
    { title: 'lose the server and its disk while orders are placed', run: () => drill.loseServer() },
    {
      title: 'restore the backup, and the archived WAL up to the noted time',
      run: () => drill.restoreToTime(),
    },
    {
      title: 'find exactly what was committed until then, and no violated invariant',
      run: () => drill.checkExact(),
    },
    { title: 'start all roles, and prepare a new order', run: () => drill.startProcesses() },
    {
      title: 'replay a key of a restored order, and use one of a lost order again',
      run: () => drill.checkKeys(),
    },
    { title: 'begin a stream of the lost timeline with a snapshot', run: () => drill.checkStreams() },
    { title: 'deliver every event to the webhook', run: () => drill.checkWebhooks() },
    {
      title: 'add every event to the statistics, and violate no invariant',
      run: () => drill.checkStatistics(),
    },
    {
      title: 'restore everything in the archive, as after the loss of the server alone',
      run: () => drill.restoreToEnd(),
    },
  ]
  await runDrill(steps, () => drill.end())
  console.log(report(drill.figures))
  return 0
})

function report(figures: RestoreDrill['figures']): string {
  const { backupMs = 0, restoreMs = 0, recoveredMs = 0, accepted, lost, lostMs = 0 } = figures
  return `
backup: ${inSeconds(backupMs)}
RTO: ${inSeconds(restoreMs)} until the restored server accepts writes, ${inSeconds(recoveredMs)} until an order is PREPARING
RPO of a restore to a chosen time: nothing that was committed until then
RPO of the loss of the server: ${inSeconds(lostMs)}, ${lost} of ${accepted} accepted orders; archive_timeout is ${ARCHIVE_TIMEOUT_SECONDS} s
Both times grow with the database: measure them with your own backup.`
}
