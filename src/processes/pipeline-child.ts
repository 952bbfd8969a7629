import type { FromPipeline, ToPipeline } from './pipeline-process.ts'
import type { ChildPipeline } from './start-child-pipeline.ts'

/**
 * The program of the child process of `npm start`, in which dispatcher and worker run. The parent
 * process controls it by messages. It also stops when the parent has ended, which closes the
 * channel.
 */

/** Budget of a stop after the parent has ended, and time after it to export the last traces. */
const STOP_BUDGET_MS = 10_000
const STOP_GRACE_MS = 1_000

let starting: Promise<ChildPipeline> | undefined

// A service manager may signal every process of the service. The parent stops this process in
// order, and the signal must not end it first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => void stopAfterParent())
process.on('message', (message: ToPipeline) => void receive(message))
// Loaded after the handlers above are set, and while the parent starts the database.
const modules = import('./start-child-pipeline.ts')

async function receive(message: ToPipeline): Promise<void> {
  if (message.type === 'start')
    starting = modules.then(({ startChildPipeline }) => startChildPipeline(message.config))
  const running = await starting
  switch (message.type) {
    case 'start':
      return send({ type: 'started' })
    case 'wake':
      return running?.pipeline.wake()
    case 'drain':
      return running?.pipeline.drain()
    case 'readiness':
      return send({ type: 'readiness', report: (await running?.pipeline.readiness()) ?? [] })
    case 'metrics':
      return send({ type: 'metrics', report: await (await modules).collectMetrics('pipeline') })
    case 'stop':
      await running?.pipeline.stop(message.budgetMs)
      return process.exit(0)
  }
}

async function stopAfterParent(): Promise<void> {
  setTimeout(() => process.exit(1), STOP_BUDGET_MS + STOP_GRACE_MS).unref()
  const running = await starting
  running?.log.warn('the main process has ended: dispatcher and worker stop')
  await running?.pipeline.stop(STOP_BUDGET_MS)
  process.exit(1)
}

function send(message: FromPipeline): void {
  process.send?.(message, undefined, undefined, () => undefined)
}
