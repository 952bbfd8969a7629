import { findDeadLetters } from '../../src/ops/actions/dead-letters.ts'
import { flag, readOptions } from '../support/read-options.ts'
import { ScriptError } from '../support/script-error.ts'
import { deadLetterFilter, deadLetterOptions } from './dead-letter-options.ts'
import { describeLetters } from './describe-letters.ts'
import { jsonOption, withDatabase } from './ops-database.ts'
import { field, type Row, rowsTable } from './rows-table.ts'
import { queueTable } from './status.ts'

/** The commands that look and change nothing. */

export async function queues(args: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- queues',
    summary: 'A line a queue: what it holds, how fast it goes. It is `select * from ops.queues`.',
    example: 'npm run ops -- queues --json',
  }
  const options = readOptions(command, jsonOption, args)
  if (options === null) return 0
  const rows = await withDatabase(database => database.query<Row>('select * from ops.queues'))
  console.log(options.json ? JSON.stringify(rows) : queueTable(rows))
  return 0
}

export async function order(args: readonly string[], [id]: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- order <id>',
    summary:
      'What happened to an order, in time order, and what it is stuck on. It is `select * from ops.order_timeline where order_id = …`.',
    example: 'npm run ops -- order 01a204cc-6192-75b6-a084-72a9c81d4053',
  }
  const options = readOptions(command, jsonOption, args)
  if (options === null) return 0
  const orderId = uuidArgument(id, 'an order')
  const { timeline, stuck } = await withDatabase(async database => ({
    timeline: await database.query<Row>('select * from ops.order_timeline where order_id = $1', [orderId]),
    stuck: await database.query<Row>('select * from ops.stuck_orders where order_id = $1', [orderId]),
  }))
  if (timeline.length === 0) throw new ScriptError(`no order has the id ${orderId}`)
  console.log(options.json ? JSON.stringify({ timeline, stuck }) : describeOrder(timeline, stuck))
  return 0
}

function describeOrder(timeline: readonly Row[], stuck: readonly Row[]): string {
  const table = rowsTable(
    timeline,
    {
      at: field('at'),
      kind: field('kind'),
      what: field('what'),
      attempt: field('attempts'),
      event: field('event_id'),
      error: field('error'),
    },
    '',
  )
  const why = stuck.map(row =>
    ['', 'It is stuck:', String(row['reason']), row['queue'], row['error']].filter(Boolean).join(' '),
  )
  return [table, ...(why.length > 0 ? ['', ...why.map(line => line.trim())] : [])].join('\n')
}

export async function deadLetters(args: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- dead-letters',
    summary: 'Jobs that have used up their attempts and wait for an operator.',
    example: 'npm run ops -- dead-letters --type order.placed.v1',
  }
  const options = readOptions(
    command,
    { ...deadLetterOptions, all: flag('those too that have been decided on'), ...jsonOption },
    args,
  )
  if (options === null) return 0
  const letters = await withDatabase(database =>
    findDeadLetters(database, { ...deadLetterFilter(options), decided: options.all }, options.limit),
  )
  const none = options.all ? 'There is no such dead letter.' : 'No open dead letter.'
  console.log(options.json ? JSON.stringify(letters) : describeLetters(letters, none))
  return 0
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** @throws ScriptError when it is not an id */
export function uuidArgument(given: string | undefined, what: string): string {
  if (given !== undefined && UUID.test(given)) return given.toLowerCase()
  throw new ScriptError(
    given === undefined
      ? `the id of ${what} is needed`
      : `${JSON.stringify(given)} is not the id of ${what} (a UUID)`,
  )
}
