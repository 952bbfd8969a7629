import { findDeadLetters } from '../../src/ops/actions/dead-letters.ts'
import { commandLine, uuid } from '../support/command-line.ts'
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
import { jsonOption, withDatabase } from './ops-database.ts'
import { field, type Row, rowsTable } from './rows-table.ts'
import { queueTable } from './status.ts'

/** The commands that only read. */

export const queues = commandLine(
  'queues',
  'Shows the size and the speed of each queue. The same as `select * from ops.queues`.',
  'npm run ops -- queues --json',
)
  .addOption(jsonOption)
  .action(async ({ json }) => {
    const rows = await withDatabase(database => database.query<Row>('select * from ops.queues'))
    console.log(json ? JSON.stringify(rows) : queueTable(rows))
  })

export const order = commandLine(
  'order',
  'Shows the history of an order, and why it is stuck, if it is.\nThe same as `select * from ops.order_timeline where order_id = …`.',
  'npm run ops -- order 01a204cc-6192-75b6-a084-72a9c81d4053',
)
  .argument('<id>', 'id of the order', uuid)
  .addOption(jsonOption)
  .action(async (orderId, { json }) => {
    const { timeline, stuck } = await withDatabase(async database => ({
      timeline: await database.query<Row>('select * from ops.order_timeline where order_id = $1', [orderId]),
      stuck: await database.query<Row>('select * from ops.stuck_orders where order_id = $1', [orderId]),
    }))
    if (timeline.length === 0) throw new ScriptError(`no order has the id ${orderId}`)
    console.log(json ? JSON.stringify({ timeline, stuck }) : describeOrder(timeline, stuck))
  })

/** Returns a column that shows a value of the column `details`. */
const detail = (name: string) => (row: Row) => (row['details'] as Row | null)?.[name]

function describeOrder(timeline: readonly Row[], stuck: readonly Row[]): string {
  const columns = {
    at: field('at'),
    kind: field('kind'),
    what: field('what'),
    by: detail('actor'),
    reason: detail('reason'),
    attempt: field('attempts'),
    event: field('event_id'),
    error: field('error'),
  }
  const reasons = stuck.map(({ reason, queue, error }) =>
    ['Stuck:', reason, queue, error].filter(Boolean).join(' '),
  )
  return [rowsTable(timeline, columns, ''), ...(reasons.length > 0 ? ['', ...reasons] : [])].join('\n')
}

export const deadLetters = commandLine(
  'dead-letters',
  'Lists jobs that have used up their attempts and that no operator has decided on.',
  'npm run ops -- dead-letters --type order.placed.v1',
)
  .addOption(idOption)
  .addOption(queueOption)
  .addOption(typeOption)
  .addOption(errorOption)
  .addOption(sinceOption)
  .addOption(untilOption)
  .addOption(limitOption)
  .option('--all', 'include redriven and discarded dead letters')
  .addOption(jsonOption)
  .action(async options => {
    const { all = false, json, limit } = options
    const letters = await withDatabase(database =>
      findDeadLetters(database, { ...deadLetterFilter(options), decided: all }, limit),
    )
    const none = all ? 'No dead letter matches.' : 'No open dead letter.'
    console.log(json ? JSON.stringify(letters) : describeLetters(letters, none))
  })
