import { z } from 'zod'
import { cloudEventFields } from '../events/cloud-event.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { timeOfId } from '../platform/ids.ts'
import { TEST_EVENT } from './deliveries.ts'

const { dataschema: _, subject, ...fields } = cloudEventFields

/** Schema of the event that tests a webhook: a CloudEvent about the webhook itself. */
export const testEventSchema = z
  .object({
    ...fields,
    subject: subject.meta({ description: 'The tested webhook: `webhooks/{webhook_id}`' }),
    type: z.literal(TEST_EVENT).meta({ description: 'Type of the event' }),
    data: z
      .object({
        webhook_id: z.uuid().meta({ description: 'Id of the webhook' }),
        at: z.iso.datetime().meta({ description: 'Time of the test request, in UTC' }),
      })
      .meta({ title: 'Test of a webhook', description: 'The test' }),
  })
  .meta({
    title: 'Webhook tested',
    description:
      'A client tests the webhook. No business event has occurred: respond with 2xx and take no further action.',
  })

/** Returns the test event of a delivery. Pure, so that every attempt sends the same bytes. */
export function toTestEvent(
  { event_id, webhook_id }: { event_id: string; webhook_id: string },
  publicUrl: string,
): z.infer<typeof testEventSchema> {
  const at = timeOfId(event_id).toISOString()
  return {
    specversion: '1.0',
    id: event_id,
    source: publicUrl,
    type: TEST_EVENT,
    subject: `webhooks/${webhook_id}`,
    time: at,
    datacontenttype: 'application/json',
    data: { webhook_id, at },
  }
}

/** Returns a test event of the demo webhook. */
export const testEventExample = (publicUrl: string) =>
  toTestEvent({ event_id: '019a0000-0000-7000-8000-000000000221', webhook_id: demoIds.webhook }, publicUrl)
