import { Listr } from 'listr2'

export interface DrillStep {
  title: string
  /** returns what is shown behind the title */
  run: () => Promise<string | void>
}

/**
 * Runs the steps of a drill and shows each with the time that it took. Calls `end` once, also after
 * a failed step, SIGINT or SIGTERM.
 */
export async function runDrill(steps: DrillStep[], end: () => Promise<void>): Promise<void> {
  let ended: Promise<void> | undefined
  const endOnce = () => (ended ??= end())
  const endEarly = () => void endOnce().finally(() => process.exit(130))
  process.once('SIGINT', endEarly).once('SIGTERM', endEarly)
  try {
    await new Listr(steps.map(taskOf), {
      fallbackRendererCondition: () => !process.stdout.isTTY,
      rendererOptions: { showErrorMessage: false },
    }).run()
  } finally {
    process.off('SIGINT', endEarly).off('SIGTERM', endEarly)
    await endOnce()
  }
}

function taskOf({ title, run }: DrillStep) {
  return {
    title,
    task: async (_: unknown, task: { title: string }) => {
      const began = performance.now()
      const result = await run()
      task.title = `${title} (${inSeconds(performance.now() - began)})${result ? `: ${result}` : ''}`
    },
  }
}

export function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
