import { expect } from 'chai'
import { eventCatalogue } from '../../src/events/catalogue.ts'
import { DELIVERY_QUEUE, eventQueues } from '../../src/jobs/queues.ts'
import { routing } from '../../src/outbox/routing.ts'

describe('the event catalogue', () => {
  it('names each event with a version', () => {
    for (const type of Object.keys(eventCatalogue))
      expect(type).to.match(/^(order|inventory)(\.[a-z_]+)+\.v\d+$/)
  })

  it('routes every event, and every queue has an event that leads to it', () => {
    expect(Object.keys(routing).toSorted()).to.deep.equal(Object.keys(eventCatalogue).toSorted())
    expect(new Set(Object.values(routing).flat())).to.deep.equal(
      new Set([...Object.keys(eventQueues), DELIVERY_QUEUE]),
    )
  })
})
