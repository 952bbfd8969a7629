import { cloudEventSchema } from '../../src/outbox/cloud-event.ts'
import { jsonSchemaOf } from '../../src/outbox/event-schemas.ts'
import { eventTypes } from '../../src/outbox/events.ts'
import type { Catalogue } from './breaking-changes.ts'

/** Whole events as the catalogue has them now, to be held against those of a release. */
export function currentCatalogue(): Catalogue {
  return Object.fromEntries(
    eventTypes.map(type => [type, jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')]),
  )
}
