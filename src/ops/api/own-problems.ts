import type { CheckResult } from '../../http/server/health.ts'
import type { Problem } from '../read-status.ts'

/** What an API process knows of itself, which no view has. */
export interface OwnState {
  /** results of `/readyz` */
  checks: CheckResult[]
  areStreamsFull: boolean
  /** the streams of tracking pages */
  areTrackingStreamsFull: boolean
}

const READ_ONLY = /\(25006\)$/
const STREAMS = 'event-streams-are-late,-refused-or-broken-off'

/** Returns the problems of the process that answers, without those that the views of `ops` show. */
export function ownProblems({ checks, areStreamsFull, areTrackingStreamsFull }: OwnState): Problem[] {
  const full = (streams: string): Problem => ({
    problem: 'full-streams',
    text: `all ${streams} of this API are in use, and more are refused`,
    see: 'curl -s $API/../../metrics',
    runbook: STREAMS,
  })
  return [
    ...checks.flatMap(({ name, result }): Problem[] => {
      const runbook = result === 'ok' ? undefined : entryOf(name, result)
      if (runbook === undefined) return []
      return [
        {
          problem: 'not-ready',
          text: `this API: ${name}: ${result}`,
          see: 'curl -s $API/../../readyz',
          runbook,
        },
      ]
    }),
    ...(areStreamsFull ? [full('event streams')] : []),
    ...(areTrackingStreamsFull ? [full('streams of tracking pages')] : []),
  ]
}

/** Returns the entry of the runbook for a failed check. */
function entryOf(check: string, result: string): string | undefined {
  switch (check) {
    case 'database':
      return READ_ONLY.test(result) ? 'the-primary-is-gone' : 'the-database-does-not-answer'
    case 'clock':
      return 'a-machine-has-a-wrong-clock'
    case 'migrations':
    case 'queue_schema':
      return 'a-new-process-stays-unready'
    default:
      return undefined
  }
}
