import {
  type Decided,
  discardDeadLetters,
  findDeadLetters,
  redriveDeadLetters,
} from '../../src/ops/actions/dead-letters.ts'
import { counted } from '../../src/platform/counted.ts'
import { commandLine } from '../support/command-line.ts'
import { ScriptError } from '../support/script-error.ts'
import {
  deadLetterFilter,
  errorOption,
  idOption,
  limitOption,
  queueOption,
  sinceOption,
  typeOption,
  untilOption,
} from './dead-letter-options.ts'
import { describeLetters } from './describe-letters.ts'
import { actorOption, jsonOption, reasonOption, withBoss } from './ops-database.ts'

/**
 * Returns the command that redrives or discards dead letters. Without a reason it only lists them.
 * @param name `redrive`, or what the user types when it is not a subcommand
 */
export function redriveCommand(name: string) {
  return commandLine(
    name,
    'Returns open dead letters to their queues. Safe at any later time: an event never takes effect twice.\nWithout --reason, it only shows which dead letters match.',
    'npm run redrive -- --error timeout --since 2026-11-22T18:00:00Z --reason "the network is back"',
  )
    .option('--preview', 'only show which dead letters match')
    .addOption(idOption)
    .addOption(queueOption)
    .addOption(typeOption)
    .addOption(errorOption)
    .addOption(sinceOption)
    .addOption(untilOption)
    .addOption(limitOption)
    .option('--discard', 'close dead letters without running their jobs again')
    .addOption(reasonOption)
    .addOption(actorOption)
    .addOption(jsonOption)
    .action(async options => {
      const { limit, discard, reason, actor, preview, json } = options
      const filter = deadLetterFilter(options)
      await withBoss(async (database, boss) => {
        if (preview || reason === undefined) {
          const letters = await findDeadLetters(database, filter, limit)
          console.log(json ? JSON.stringify({ changed: false, meant: letters }) : describeLetters(letters))
          if (!preview && !json) console.log('\nNothing was changed: add --reason to redrive.')
          return
        }
        const operator = { actor, reason }
        const decided = await database.transaction(tx =>
          discard
            ? discardDeadLetters(tx, filter, limit, operator)
            : redriveDeadLetters(tx, boss, filter, limit, operator),
        )
        if (json) console.log(JSON.stringify({ changed: decided.done.length > 0, ...decided }))
        else report(decided, discard ? 'discarded' : 'redriven')
        assertNoneRefused(decided)
      })
    })
}

function report({ done, refused }: Decided, outcome: string): void {
  console.log(describeLetters(done))
  console.log(`\n${counted(done.length, 'dead letter')} ${outcome}.`)
  if (refused.length > 0) console.log(`\n${describeLetters(refused)}`)
}

/** @throws ScriptError when some dead letters were refused */
function assertNoneRefused({ refused }: Decided): void {
  if (refused.length === 0) return
  throw new ScriptError(
    `${counted(refused.length, 'dead letter was', 'dead letters were')} refused: without an event, with an event that has an unfinished job, or with one older than two thirds of PROCESSED_RETENTION_MINUTES, for which processed_events may no longer prevent a second effect, or their webhook delivery is deleted`,
  )
}
