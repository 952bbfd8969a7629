import { expect } from 'chai'
import type * as page from '../../src/console/browser/api-types.ts'
import type { ActionReply, PreviewReply } from '../../src/ops/api/action-contract.ts'
import type { DeadLetterCountsReply } from '../../src/ops/api/dead-letter-groups.ts'
import type { DeadLetterReply, JobReply, QuarantinedEventReply } from '../../src/ops/api/lists.ts'
import type { StoryReply } from '../../src/ops/api/order-story.ts'
import type { OverviewReply } from '../../src/ops/api/overview.ts'
import type { Found } from '../../src/ops/api/search.ts'
import type { OpsWebhookReply } from '../../src/ops/api/webhook-list.ts'

/** What the API sends, by what the page takes it for. */
interface Sent {
  overview: OverviewReply
  found: Found
  story: StoryReply
  job: JobReply
  letter: DeadLetterReply
  counts: DeadLetterCountsReply
  event: QuarantinedEventReply
  webhook: OpsWebhookReply
  matches: PreviewReply
  action: ActionReply
}

interface Taken {
  overview: page.Overview
  found: page.Found
  story: page.Story
  job: page.Job
  letter: page.DeadLetter
  counts: page.DeadLetterCounts
  event: page.QuarantinedEvent
  webhook: page.Webhook
  matches: page.Matches
  action: page.Action
}

describe('the types of the console', () => {
  it('fit what the API sends, which the compiler checks', () => {
    const take = (sent: Sent): Taken => sent
    expect(take).to.be.a('function')
  })
})
