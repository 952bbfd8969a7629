import { type Config, logFormatOf } from '../platform/config.ts'
import { armFailpoints } from '../platform/failpoints.ts'
import { createLogger, type Logger } from '../platform/log.ts'
import { lowerPriority } from './lower-priority.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'
import { printFailure } from './print-failure.ts'
import { startTraced } from './start-tracing.ts'

export { collectMetrics } from '../platform/meters.ts'

export interface ChildPipeline {
  log: Logger
  pipeline: Pipeline
}

/**
 * Starts dispatcher and worker in the child process of `npm start`. Ends the process with one line
 * when they cannot start.
 */
export async function startChildPipeline(config: Config): Promise<ChildPipeline> {
  // In the format of the parent process, which writes to the same stdout.
  const log = await createLogger(config.LOG_LEVEL, logFormatOf(config, 'all', process.stdout.isTTY))
  try {
    lowerPriority()
    armFailpoints(config.FAILPOINTS)
    const url = config.DATABASE_URL ?? ''
    const start = () => startPipeline(config, url, log)
    const pipeline = await startTraced(config, 'all', log.child({ role: 'pipeline' }), start)
    return { log, pipeline }
  } catch (error) {
    printFailure(error)
    process.exit(1)
  }
}
