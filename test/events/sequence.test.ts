import { expect } from 'chai'
import fc from 'fast-check'
import type { Database } from '../../src/db/database.ts'
import { eventTypes } from '../../src/events/catalogue.ts'
import { type EventOf, exampleOf } from '../../src/events/event.ts'
import { sequenceAtStep, sequenceOf, sequenceSql } from '../../src/events/sequence.ts'
import { openTestDatabase } from '../support/system.ts'

const RUN_COUNT = 50
const MAX_INTEGER = 2_147_483_647

describe('the sequence of an event', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    ;({ database, close } = await openTestDatabase())
  })
  after(() => close())

  type AnyEvent = { type: string; order_id: string | null; payload: unknown }

  async function inSql(events: readonly AnyEvent[]): Promise<{ sequence: number | null; type: string }[]> {
    return await database.query(
      `select ${sequenceSql} as sequence, pg_typeof(${sequenceSql})::text as type
      from rows from (json_to_recordset($1::text::json) as (type text, order_id uuid, payload jsonb))
        with ordinality as e (type, order_id, payload, place)
      order by place`,
      [JSON.stringify(events)],
    )
  }

  const number = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.maxSafeInteger().map(value => Math.abs(value) + 1),
  )

  /** The example of the type, with other numbers in every place that has one. */
  const eventsOf = (type: EventOf['type']) =>
    fc.infiniteStream(number).map(numbers => {
      const event = exampleOf(type)
      const payload = Object.fromEntries(
        Object.entries(event.payload).map(([key, value]) => [
          key,
          typeof value === 'number' ? numbers.next().value : (value as unknown),
        ]),
      )
      return { ...event, payload } as unknown as EventOf
    })

  for (const type of eventTypes) {
    it(`of ${type} is the same integer in TypeScript and in SQL`, async () => {
      const generated = fc.sample(eventsOf(type), RUN_COUNT)
      const events: EventOf[] = [exampleOf(type), ...generated]
      const rows = await inSql(events)
      for (const [index, event] of events.entries()) {
        const sequence = sequenceOf(event)
        expect(rows[index], JSON.stringify(event.payload)).to.deep.equal({
          sequence: sequence ?? null,
          type: 'integer',
        })
        if (event.order_id === null) expect(sequence).to.equal(undefined)
        else expect(sequence).to.be.within(1, MAX_INTEGER)
      }
    })
  }

  it('is a positive integer in SQL for every event with an order, whatever its payload', async () => {
    const { order_id } = exampleOf('order.placed.v1')
    const payload = fc.oneof(
      fc.jsonValue(),
      fc.record({ seq: fc.oneof(fc.jsonValue(), fc.double({ noNaN: true, noDefaultInfinity: true })) }),
    )
    const type = fc.constantFrom(...eventTypes, 'order.from_the_future.v1')
    const events = fc.sample(fc.record({ type, order_id: fc.constantFrom(order_id, null), payload }), 500)
    // Postgres refuses NUL in jsonb.
    const storable = events.filter(event => !JSON.stringify(event).includes('\\u0000'))
    const rows = await inSql(storable)
    for (const [index, { order_id: order }] of storable.entries()) {
      const { sequence } = rows[index] ?? {}
      if (order === null) expect(sequence).to.equal(null)
      else expect(sequence, JSON.stringify(storable[index])).to.be.within(1, MAX_INTEGER)
    }
  })

  it('of a step in the history of an order equals that of the event that records the step', () => {
    const { type, payload } = exampleOf('order.status.delivered.v1')
    for (const seq of [1, 2, 3, 4, 40_000])
      expect(sequenceAtStep(seq)).to.equal(sequenceOf({ type, payload: { ...payload, seq } }))
    expect(sequenceAtStep(1)).to.equal(sequenceOf(exampleOf('order.placed.v1')))
  })

  it('is undefined for a type that only a newer version has', () => {
    const { payload } = exampleOf('order.cancelled.v1')
    expect(sequenceOf({ type: 'order.from_the_future.v1' as 'order.cancelled.v1', payload })).to.equal(
      undefined,
    )
  })
})
