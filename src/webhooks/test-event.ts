import { z } from 'zod'
import { cloudEventFields } from '../events/cloud-event.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { timeOfId } from '../platform/ids.ts'
import { TEST_EVENT } from './deliveries.ts'

const { dataschema: _, subject, ...fields } = cloudEventFields

/** What a subscription is tried with, as it is sent: a CloudEvent about the subscription itself. */
export const testEventSchema = z
  .object({
    ...fields,
    subject: subject.meta({ description: 'The webhook that is tried: `webhooks/{webhook_id}`' }),
    type: z.literal(TEST_EVENT).meta({ description: 'That it is a test' }),
    data: z
      .object({
        webhook_id: z.uuid().meta({ description: 'Id of the webhook' }),
        at: z.iso.datetime().meta({ description: 'When the test was asked for, in UTC' }),
      })
      .meta({ description: 'What is tried' }),
  })
  .meta({
    title: 'Webhook tested',
    description:
      'Somebody tries whether a webhook works. Nothing has happened: answer with 2xx, and do no more.',
  })

/** Pure: the same bytes for each attempt. */
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

/** The test of the demo's webhook. */
export const testEventExample = (publicUrl: string) =>
  toTestEvent({ event_id: '019a0000-0000-7000-8000-000000000221', webhook_id: demoIds.webhook }, publicUrl)
