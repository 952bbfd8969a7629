import {
  type Decided,
  discardDeadLetters,
  findDeadLetters,
  redriveDeadLetters,
} from '../../src/ops/actions/dead-letters.ts'
import { MAX_REPLAY_DAYS } from '../../src/platform/retention.ts'
import { flag, readOptions } from '../support/read-options.ts'
import { ScriptError } from '../support/script-error.ts'
import { deadLetterFilter, deadLetterOptions } from './dead-letter-options.ts'
import { describeLetters } from './describe-letters.ts'
import { jsonOption, operatorOptions, withBoss } from './ops-database.ts'

const spec = {
  preview: flag('only show which dead letters are meant'),
  ...deadLetterOptions,
  discard: flag('close them instead, without working them again'),
  ...operatorOptions,
  ...jsonOption,
}

/**
 * Gives dead letters to their queues again, or closes them; with a preview, a reason and an audit.
 * @param name as it was typed
 */
export async function redrive(args: readonly string[], name: string): Promise<number> {
  const command = {
    name,
    summary:
      'Gives open dead letters to their queues again. Safe at any later time: an event never has its effect twice.\nWithout --reason it only shows what it would do.',
    example: `${name} --error timeout --since 2026-11-22T18:00:00Z --reason "the network is back"`,
  }
  const options = readOptions(command, spec, args)
  if (options === null) return 0
  const { limit, discard, reason, actor, preview, json } = options
  const filter = deadLetterFilter(options)
  return await withBoss(async (database, boss) => {
    if (preview || reason === '') {
      const letters = await findDeadLetters(database, filter, limit)
      console.log(json ? JSON.stringify({ changed: false, meant: letters }) : describeLetters(letters))
      if (!preview && !json) console.log('\nNothing was changed: give a --reason to go on.')
      return 0
    }
    const operator = { actor, reason }
    const decided = await database.transaction(tx =>
      discard
        ? discardDeadLetters(tx, filter, limit, operator)
        : redriveDeadLetters(tx, boss, filter, limit, operator),
    )
    if (json) console.log(JSON.stringify({ changed: decided.done.length > 0, ...decided }))
    else report(decided, discard ? 'closed' : 'given to their queues again')
    return refuse(decided)
  })
}

function report({ done, refused }: Decided, what: string): void {
  console.log(describeLetters(done))
  console.log(`\n${done.length} dead letters ${what}.`)
  if (refused.length > 0) console.log(`\n${describeLetters(refused)}`)
}

/** @throws ScriptError when some were refused */
function refuse({ refused }: Decided): number {
  if (refused.length === 0) return 0
  throw new ScriptError(
    `${refused.length} dead letters were refused: they carry no event, or one of more than ${MAX_REPLAY_DAYS} days ago, and whether that had its effect is no longer remembered`,
  )
}
