import packageJson from '../../package.json' with { type: 'json' }
import { asyncApiDocument } from '../events/async-api.ts'
import { orderReply } from '../orders/order-contract.ts'
import type { Config } from '../platform/config.ts'
import { restaurantSnapshot } from '../streams/restaurant-snapshot-contract.ts'
import { TEST_EVENT } from '../webhooks/deliveries.ts'
import { testEventExample, testEventSchema } from '../webhooks/test-event.ts'

/** Returns the AsyncAPI document for a configuration. */
export function buildAsyncApi({ PUBLIC_URL, AUTH_MODE }: Pick<Config, 'PUBLIC_URL' | 'AUTH_MODE'>) {
  return asyncApiDocument({
    version: packageJson.version,
    publicUrl: PUBLIC_URL,
    authMode: AUTH_MODE,
    test: { type: TEST_EVENT, schema: testEventSchema, example: testEventExample(PUBLIC_URL) },
    snapshots: { order: orderReply, restaurant: restaurantSnapshot },
  })
}
