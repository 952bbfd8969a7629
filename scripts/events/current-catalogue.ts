import { TEST_EVENT } from '../../src/downstream/deliveries.ts'
import { testEventSchema } from '../../src/downstream/test-event.ts'
import { cloudEventSchema } from '../../src/outbox/cloud-event.ts'
import { jsonSchemaOf } from '../../src/outbox/event-schemas.ts'
import { eventTypes } from '../../src/outbox/events.ts'
import type { Catalogue } from './breaking-changes.ts'

/** Whole events, and the test of a webhook, as the catalogue has them now, to be held against those of a release. */
export function currentCatalogue(): Catalogue {
  return Object.fromEntries([
    ...eventTypes.map(type => [type, jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')]),
    [TEST_EVENT, jsonSchemaOf(testEventSchema, 'draft-2020-12')],
  ]) as Catalogue
}
