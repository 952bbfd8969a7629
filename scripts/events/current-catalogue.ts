import { eventTypes } from '../../src/events/catalogue.ts'
import { cloudEventSchema } from '../../src/events/cloud-event.ts'
import { jsonSchemaOf } from '../../src/events/event-schemas.ts'
import { TEST_EVENT } from '../../src/webhooks/deliveries.ts'
import { testEventSchema } from '../../src/webhooks/test-event.ts'
import type { Catalogue } from './breaking-changes.ts'

/** Returns the schemas of the current events and of `webhook.test`, to compare with a release. */
export function currentCatalogue(): Catalogue {
  return Object.fromEntries([
    ...eventTypes.map(type => [type, jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')]),
    [TEST_EVENT, jsonSchemaOf(testEventSchema, 'draft-2020-12')],
  ]) as Catalogue
}
