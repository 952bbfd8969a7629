import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { entriesOf } from '../../src/console/browser/runbook.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { describeInBrowser, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
const RUNBOOK = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8')

interface Symptom {
  /** entry of the runbook */
  entry: string
  /** SQL that provokes the symptom */
  provoke?: string
  /** from the first screen to the place of the fix */
  clicks: readonly (string | RegExp)[]
  /** a button there, and a query that returns a row after the fix; otherwise a command */
  fix?: { button: RegExp; isFixed: string }
  command?: RegExp
  /** SQL that removes what is left */
  tidy?: string
}

const JOB = '00000000-0000-4000-8000-00000000aaaa'

const symptoms: Symptom[] = [
  {
    entry: 'orders-stay-placed',
    provoke: `insert into pgboss.job (id, name, data, state, retry_limit, retry_count, start_after, output, policy)
      values ('${JOB}', 'order.reject', '{}', 'retry', 12, 3, now() + interval '1 hour', '{"message":"a lock"}', 'standard')`,
    clicks: [/^1 retrying$/],
    fix: {
      button: /^Retry the job/,
      isFixed: `select from pgboss.job where id = '${JOB}' and start_after <= now()`,
    },
    tidy: `delete from pgboss.job where id = '${JOB}'`,
  },
  {
    entry: 'a-queue-is-paused',
    provoke: `insert into paused_queues (queue, actor, reason) values ('order.reject', 'ada', 'x')`,
    clicks: ['paused queues: order.reject'],
    fix: {
      button: /^Resume order.reject/,
      isFixed: `select where not exists (select from paused_queues)`,
    },
  },
  {
    entry: 'stock-looks-wrong',
    provoke: 'update menu_items set available_qty = available_qty + 1',
    clicks: [/^Runbook ?: 1 item differs/],
    command: /set available_qty = \(select sum\(delta\)/,
    tidy: 'update menu_items set available_qty = available_qty - 1',
  },
  {
    entry: 'a-dead-letter-appeared',
    provoke: `insert into dead_letters (dead_letter_id, queue, job_id, event_type, error, attempts, first_queued_at, dead_at)
      values (uuidv7(), 'order.reject', uuidv7(), 'order.placed.v1', '{"message":"broken"}', 13, now(), now())`,
    clicks: ['1 dead letter is open'],
    fix: {
      button: /^Discard all/,
      isFixed: `select from dead_letters where fate = 'DISCARDED'`,
    },
  },
  {
    entry: 'a-webhook-fails-or-is-disabled',
    provoke: `update webhooks set paused_at = now()`,
    clicks: ['1 webhook is paused'],
    fix: { button: /^Resume hooks/, isFixed: 'select from webhooks where paused_at is null' },
  },
  {
    entry: 'the-outbox-grows',
    clicks: [/^Runbook ?: no dispatcher/],
    command: /ops\.outbox/,
  },
  {
    entry: 'events-are-held',
    provoke: `insert into held_queues (queue, counted_at) values ('order.prepare', now())`,
    clicks: [/^Runbook ?: full queues/],
    command: /held_at/,
    tidy: 'delete from held_queues',
  },
  {
    entry: 'events-are-quarantined',
    provoke: `update outbox_events set quarantined_at = now(), error = 'no route' where type = 'order.placed.v1'`,
    clicks: ['1 event is quarantined'],
    fix: {
      button: /^Release all/,
      isFixed: `select from outbox_events where type = 'order.placed.v1' and quarantined_at is null`,
    },
  },
  {
    entry: 'statistics-are-behind-or-wrong',
    clicks: [/^Runbook ?: Statistics/],
    command: /npm run stats:rebuild/,
  },
  // No view shows these: a page that is not served, and causes outside the database.
  ...(
    [
      ['the-primary-is-gone', 'The primary is gone', /readyz/],
      ['the-database-does-not-answer', 'The database does not answer', /readyz/],
      ['the-api-is-slow-or-answers-with-errors', /^The API is slow/, /pg_stat_activity/],
      ['a-machine-has-a-wrong-clock', 'A machine has a wrong clock', /readyz/],
      ['rows-were-deleted-by-mistake', 'Rows were deleted by mistake', /./],
      ['a-new-process-stays-unready', 'A new process stays unready', /./],
      ['event-streams-are-late,-refused-or-broken-off', /^Event streams/, /metrics/],
      ['the-database-was-restored-from-a-backup', /^The database was restored/, /npm run migrate/],
    ] as const
  ).map(([entry, title, command]) => ({ entry, clicks: ['Runbook', title], command })),
]

describeInBrowser('the symptoms of the runbook in the console', () => {
  let system: TestSystem
  const pages = TestPages.register()

  before(async () => {
    // Without dispatcher and worker, which would fix some of the symptoms by themselves.
    system = await startSystem(['api', 'operations'], quiet)
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 1_000)
    await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.call('POST', '/api/v1/webhooks', { url: 'https://hooks.example/a' })
  })
  after(() => system.stop())

  async function expectFixed(page: Page, { button, isFixed }: NonNullable<Symptom['fix']>): Promise<void> {
    await page.getByRole('button', { name: button }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill('the cause is fixed')
    await dialog.getByLabel('Your name').fill('ada')
    await dialog.getByRole('button').first().click()
    await until('the symptom is fixed', async () => (await system.database.query(isFixed)).length > 0)
  }

  it('are each found from the first screen with at most two clicks, and fixed there or by its command', async () => {
    const known = entriesOf(RUNBOOK).map(({ anchor }) => anchor)
    expect(symptoms.map(({ entry }) => entry)).to.have.members(known)
    const page = await pages.open(`${system.api.baseUrl}/console`)
    page.setDefaultTimeout(TIMEOUT_MS)
    for (const { entry, provoke, clicks, fix, command, tidy } of symptoms) {
      if (provoke) await system.database.execute(provoke)
      await page.goto(`${system.api.baseUrl}/console`)
      expect(clicks.length, entry).to.be.at.most(2)
      for (const name of clicks)
        await page
          .getByRole('link', typeof name === 'string' ? { name, exact: true } : { name })
          .first()
          .click()
      if (fix) await expectFixed(page, fix)
      if (command) await page.locator('.copy code', { hasText: command }).first().waitFor()
      if (tidy) await system.database.execute(tidy)
    }
  })
})
