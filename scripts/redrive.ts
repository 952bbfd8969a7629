import { userInfo } from 'node:os'
import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { startBoss } from '../src/jobs/boss.ts'
import {
  type DeadLetter,
  type DeadLetterFilter,
  type Decided,
  discardDeadLetters,
  findDeadLetters,
  redriveDeadLetters,
} from '../src/ops/dead-letters.ts'
import { REPLAY_HORIZON_DAYS } from '../src/ops/retention.ts'
import { databaseUrl } from './support/connect.ts'
import { plainTable } from './support/plain-table.ts'
import { flag, ids, readOptions, text, time, wholeNumber } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** Gives dead letters to their queues again, or closes them; with a preview, a reason and an audit. */

const STATEMENT_TIMEOUT_MS = 60_000
const MAX_LETTER_COUNT = 10_000

const command = {
  name: 'npm run redrive --',
  summary:
    'Gives open dead letters to their queues again. Safe at any later time: an event never has its effect twice.\nWithout --reason it only shows what it would do.',
  example: 'npm run redrive -- --error timeout --since 2026-11-22T18:00:00Z --reason "the network is back"',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      preview: flag('only show which dead letters are meant'),
      id: ids('a dead letter, or its job, event or order'),
      type: text('event type, e.g. order.placed.v1', ''),
      error: text('text that the error contains', ''),
      since: time('died at or after'),
      until: time('died before'),
      limit: wholeNumber('most dead letters', 1_000, 1, MAX_LETTER_COUNT),
      discard: flag('close them instead, without working them again'),
      reason: text('why; goes to ops_audit', ''),
      actor: text('who; goes to ops_audit', userInfo().username),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const { id, type, error, since, until, limit, discard, reason, actor } = options
  const filter: DeadLetterFilter = {
    ...(id.length > 0 ? { ids: id } : {}),
    ...(type ? { type } : {}),
    ...(error ? { error } : {}),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
  }
  const { url } = databaseUrl()
  const log = pino({ level: 'silent' })
  const database = await Database.open({
    url,
    applicationName: 'comanda redrive',
    poolCount: 2,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    log,
  })
  try {
    if (options.preview || reason === '') {
      console.log(describeLetters(await findDeadLetters(database, filter, limit)))
      if (!options.preview) console.log('\nNothing was changed: give a --reason to go on.')
      return 0
    }
    const operator = { actor, reason }
    const boss = await startBoss(database, 'producer', 'redrive', log)
    const decided = await database.transaction(tx =>
      discard
        ? discardDeadLetters(tx, filter, limit, operator)
        : redriveDeadLetters(tx, boss, filter, limit, operator),
    )
    await boss.stop()
    return report(decided, discard ? 'closed' : 'given to their queues again')
  } finally {
    await database.close()
  }
})

/** @returns the exit status: 1 when some were refused */
function report({ done, refused }: Decided, what: string): number {
  console.log(describeLetters(done))
  console.log(`\n${done.length} dead letters ${what}.`)
  if (refused.length === 0) return 0
  console.log(`\n${describeLetters(refused)}`)
  throw new ScriptError(
    `${refused.length} dead letters were refused: they carry no event, or one of more than ${REPLAY_HORIZON_DAYS} days ago, and whether that had its effect is no longer remembered`,
  )
}

function describeLetters(letters: readonly DeadLetter[]): string {
  if (letters.length === 0) return 'No open dead letter is meant.'
  const rows = letters.map(letter => [
    letter.dead_letter_id,
    letter.queue,
    letter.event_type ?? '',
    letter.order_id ?? '',
    String(letter.attempts),
    letter.dead_at.toISOString(),
    `${letter.beyond_horizon ? '(too old) ' : ''}${letter.error?.message?.split('\n')[0] ?? ''}`,
  ])
  const head = ['dead letter', 'queue', 'event', 'order', 'attempts', 'died', 'error']
  return plainTable(['left', 'left', 'left', 'left', 'right', 'left', 'left'], head, rows)
}
