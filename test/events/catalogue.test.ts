import { expect } from 'chai'
import { z } from 'zod'
import { eventCatalogue, eventTypes, isAboutOrder, type Payload } from '../../src/events/catalogue.ts'
import { defineEvent } from '../../src/events/define-event.ts'
import { exampleOf, type OrderEvent } from '../../src/events/event.ts'
import { eventQueues } from '../../src/jobs/queues.ts'
import { routing } from '../../src/outbox/routing.ts'

describe('the event catalogue', () => {
  it('names each event with a version', () => {
    for (const type of eventTypes) expect(type).to.match(/^(order|inventory|restaurant)(\.[a-z_]+)+\.v\d+$/)
  })

  it('has a different id for the example of each event', () => {
    const ids = eventTypes.map(type => exampleOf(type).event_id)
    expect(new Set(ids).size).to.equal(eventTypes.length)
  })

  it('has an order id and a sequence in the same events', () => {
    for (const type of eventTypes)
      expect(exampleOf(type).order_id !== null, type).to.equal(isAboutOrder(type))
  })

  it('routes every event, and every queue has an event that is routed to it', () => {
    expect(Object.keys(routing).toSorted()).to.deep.equal(Object.keys(eventCatalogue).toSorted())
    const queues = Object.values(routing).flatMap(routes => routes.map(({ queue }) => queue))
    expect(new Set(queues)).to.deep.equal(new Set(Object.keys(eventQueues)))
  })
})

describe('an entry of the event catalogue', () => {
  const title = 'Order rated'
  const description = 'A customer has rated an order.'
  const payload = z.object({
    order_id: z.uuid(),
    restaurant_id: z.uuid(),
    stars: z.int(),
    comment: z.string(),
  })
  const example = {
    event_id: '01a20485-b040-7000-8000-0000000000f1',
    payload: { ...exampleOf('order.cancelled.v1').payload, stars: 5, comment: 'fast' },
  }

  it('takes a fixed number or a number of the payload as its sequence', () => {
    defineEvent({ title, description, payload, example, sequence: { fixed: 8 } })
    defineEvent({ title, description, payload, example, sequence: { property: 'stars', times: 1, plus: 8 } })
  })

  it('adds its title and description to the schema of the payload', () => {
    const entry = defineEvent({ title, description, payload, example, sequence: { fixed: 8 } })
    expect(entry.payload.meta()).to.include({ title, description })
  })

  // `tsc` is the test here: it reports each of these comments that expects no error.
  it('does not compile when something is missing or does not match the payload', () => {
    // @ts-expect-error no sequence rule
    defineEvent({ title, description, payload, example })
    // @ts-expect-error no example
    defineEvent({ title, description, payload, sequence: { fixed: 8 } })
    // @ts-expect-error no description
    defineEvent({ title, payload, example, sequence: { fixed: 8 } })
    // @ts-expect-error an event about an order needs a sequence
    defineEvent({ title, description, payload, example, sequence: null })
    const text = { property: 'comment', times: 1, plus: 8 } as const
    // @ts-expect-error a sequence cannot follow from a text
    defineEvent({ title, description, payload, example, sequence: text })
    const wrong = { event_id: example.event_id, payload: { stars: 'five' } }
    // @ts-expect-error the example does not match the payload
    defineEvent({ title, description, payload, example: wrong, sequence: { fixed: 8 } })
    const { 'order.placed.v1': _, ...incomplete } = routing
    // @ts-expect-error an event without a route
    const routes: Record<keyof typeof eventCatalogue, readonly object[]> = incomplete
    expect(routes).to.not.have.property('order.placed.v1')
  })

  it('decides by its payload whether the event is about an order', () => {
    const type: OrderEvent = 'order.placed.v1'
    // @ts-expect-error about a menu item
    const other: OrderEvent = 'inventory.low_stock.v1'
    const { order_id }: { order_id: string } = exampleOf(type)
    const none: null = exampleOf('inventory.low_stock.v1').order_id
    const { seq }: Payload<'order.cancelled.v1'> = exampleOf('order.cancelled.v1').payload
    expect([order_id, none, seq, other]).to.deep.equal([
      exampleOf(type).payload.order_id,
      null,
      5,
      'inventory.low_stock.v1',
    ])
  })
})
