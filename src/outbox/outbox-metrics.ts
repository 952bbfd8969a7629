import { meter } from '../platform/meters.ts'

const dispatched = meter.createCounter('comanda.outbox.dispatched.events', {
  description:
    'Events moved to their queues by this process, by a dispatcher or with the job that emitted them',
})
const quarantined = meter.createCounter('comanda.outbox.put.aside.events', {
  description: 'Events that this process could not dispatch and has quarantined',
})

export function countDispatched(by: 'dispatcher' | 'worker', events: number): void {
  if (events > 0) dispatched.add(events, { by })
}

export function countQuarantined(events: number): void {
  if (events > 0) quarantined.add(events)
}
