import { eventTypes } from '../../src/events/catalogue.ts'
import { cloudEventSchema } from '../../src/events/cloud-event.ts'
import { jsonSchemaOf } from '../../src/events/event-schemas.ts'
import { TEST_EVENT } from '../../src/webhooks/deliveries.ts'
import { testEventSchema } from '../../src/webhooks/test-event.ts'
import type { Catalogue } from './breaking-changes.ts'

/**
 * Whole events, and the test of a webhook, as the catalogue has them now, to be held against those
 * of a release.
 */
export function currentCatalogue(): Catalogue {
  return Object.fromEntries([
    ...eventTypes.map(type => [type, jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')]),
    [TEST_EVENT, jsonSchemaOf(testEventSchema, 'draft-2020-12')],
  ]) as Catalogue
}
