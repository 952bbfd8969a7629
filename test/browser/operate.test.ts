import { expect } from 'chai'
import pg from 'pg'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { roles } from '../support/role-logins.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
const PHONE = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' } as const

async function openConsole(
  pages: TestPages,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const page = await pages.open(url, options)
  page.setDefaultTimeout(TIMEOUT_MS)
  return page
}

describeInBrowser('changes in the console', () => {
  let system: TestSystem
  let restaurant_id: string
  let menu_item_id: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(roles, quiet, { WEBHOOK_ALLOW_PRIVATE: true })
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id } = await system.api.addItem(restaurant_id, 1_000))
  })
  after(() => system.stop())

  const open = async (query = '', options: BrowserContextOptions = {}) => {
    const page = await openConsole(pages, `${system.api.baseUrl}/console${query}`, options)
    await page.locator('.chip', { hasText: 'As of' }).waitFor()
    return page
  }

  const audits = (action: string) =>
    system.database.query<Record<string, unknown>>(
      'select actor, reason from ops.audit where action = $1 order by at',
      [action],
    )

  /** Fills in the dialog that is open, and sends it. */
  async function send(page: Page, reason: string, button: RegExp): Promise<void> {
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill(reason)
    await dialog.getByLabel('Your name').fill('ada')
    await dialog.getByRole('button', { name: button }).click()
  }

  /** Places an order whose deduction fails until the returned function removes the cause. */
  async function poison(): Promise<{ order: string; repair: () => Promise<void> }> {
    await system.database.execute(
      `create function burn() returns trigger language plpgsql as $$ begin raise 'the kitchen burns'; end $$;
      create trigger fire before insert on stock_movements execute function burn();
      create function once() returns trigger language plpgsql as $$ begin new.retry_limit := 0; return new; end $$;
      create trigger once before insert on pgboss.job for each row execute function once()`,
    )
    const { order_id: order } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await until('the job is a dead letter', async () => {
      const rows = await system.database.query('select from ops.dead_letters where order_id = $1', [order])
      return rows.length === 1
    })
    const repair = () => system.database.execute('drop function burn() cascade; drop function once() cascade')
    return { order, repair: async () => void (await repair()) }
  }

  it('redrives the dead letter of a poisoned event, found by the code of its order, once and with its reason', async () => {
    const { order, repair } = await poison()
    const page = await open()
    await page.getByRole('link', { name: '1 dead letter is open', exact: true }).waitFor()
    await page.getByRole('searchbox').fill(orderCode(order))
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: new RegExp(`^ORDER ${orderCode(order)}`) }).click()
    await page.locator('.story', { hasText: 'the kitchen burns' }).waitFor()
    await repair()

    await page.getByRole('button', { name: /^Redrive/ }).click()
    const dialog = page.getByRole('dialog', { name: /^Redrive the dead letter/ })
    // The change needs a reason.
    await dialog.getByRole('button', { name: 'Redrive', exact: true }).click()
    expect(await audits('redrive')).to.deep.equal([])
    await dialog.getByText('In a shell').click()
    expect(await dialog.locator('code').innerText()).to.match(/^npm run ops -- redrive --id/)
    await send(page, 'the fire is out', /^Redrive$/)
    await dialog.getByText('Redriven as the job').waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })

    await system.api.untilStatus(order, 'PREPARING')
    expect(await audits('redrive')).to.deep.equal([{ actor: 'ada', reason: 'the fire is out' }])
    // One effect.
    expect((await system.api.item(menu_item_id)).available_qty).to.equal(999)
    await expectInvariants(system.database)
  })

  it('pauses and resumes a queue by keys alone, on a phone and in both themes', async () => {
    const page = await open('', PHONE)
    const pause = page.getByRole('button', { name: 'Pause order.reject …', exact: true })
    await pause.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Pause order.reject' })
    await dialog.waitFor()
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      await expectAccessible(page, `dialog, ${colorScheme}`)
    }
    await expectNoSidewaysScrolling(page, 390)
    // The first field has the focus.
    await page.keyboard.type('counting')
    await page.keyboard.press('Tab')
    await page.keyboard.type('ada')
    await page.keyboard.press('Enter')
    await dialog.getByText('Done: pause order.reject.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'paused queues: order.reject', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Resume order.reject …', exact: true }).click()
    await send(page, 'counted', /^Resume$/)
    await page.getByRole('heading', { name: 'No problems' }).waitFor()
    expect(await audits('pause')).to.deep.equal([{ actor: 'ada', reason: 'counting' }])
    expect(await audits('resume')).to.deep.equal([{ actor: 'ada', reason: 'counted' }])
  })

  it('discards all dead letters that match, after a preview, with progress that survives a reload', async () => {
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_type, error, attempts, first_queued_at, dead_at)
      select uuidv7(), case when n > 1200 then 'order.prepare' else 'order.reject' end, uuidv7(), 'order.placed.v1',
        '{"message":"it is broken"}', 13, now(), now() - n * interval '1 s'
      from generate_series(1, 1210) as n`,
    )
    const page = await open('?view=dead-letters&queue=order.reject')
    await page.getByRole('button', { name: /^Discard all/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('1200 match').waitFor()
    expect(await dialog.innerText()).to.include('order.reject, order.placed.v1, it is broken')
    await send(page, 'a test of the kitchen', /^Discard all 1200$/)
    await page.getByRole('heading', { name: 'Actions' }).waitFor()
    await page.reload()
    await page.locator('[data-status="DONE"]', { hasText: '1200 of 1200: 1200 done' }).waitFor()
    await expectAccessible(page, 'actions')
    const left = await system.database.query(
      `select queue, count(*)::integer as count from dead_letters where fate = 'OPEN' group by queue`,
    )
    expect(left).to.deep.equal([{ queue: 'order.prepare', count: 10 }])
    expect(await audits('discard')).to.deep.include({ actor: 'ada', reason: 'a test of the kitchen' })
    await system.database.execute('delete from dead_letters')
  })

  const addLetters = (count: number) =>
    system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_type, error, attempts, first_queued_at, dead_at)
      select uuidv7(), 'order.reject', uuidv7(), 'order.placed.v1', '{"message":"no \\"menu\\""}', 13, now(), clock_timestamp()
      from generate_series(1, $1)`,
      [count],
    )

  it('discards one dead letter, and all of an error unless another number matches than was shown', async () => {
    await addLetters(3)
    const page = await open('?view=dead-letters', PHONE)
    await page.getByRole('link', { name: /^3 in order.reject/ }).click()
    await page.getByText('3 match').waitFor()
    await expectAccessible(page, 'dead letters with buttons')
    await expectNoSidewaysScrolling(page, 390)
    await page
      .getByRole('button', { name: /^Discard the dead letter/ })
      .first()
      .click()
    await send(page, 'one of three', /^Discard 1$/)
    await page.locator('.marked[data-status="DONE"]', { hasText: '1 of 1: 1 done' }).waitFor()

    await page.goBack()
    await page.getByText('2 match').waitFor()
    await page.getByRole('button', { name: /^Discard all/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('2 match').waitFor()
    await addLetters(1)
    await send(page, 'all of them', /^Discard all 2$/)
    await dialog.getByRole('alert').waitFor()
    await dialog.getByText('3 match', { exact: true }).waitFor()
    expect(await system.database.query(`select from dead_letters where fate = 'OPEN'`)).to.have.length(3)
    await send(page, 'all of them', /^Discard all 3$/)
    await page.locator('.marked[data-status="DONE"]', { hasText: '3 of 3: 3 done' }).waitFor()
    await system.database.execute('delete from dead_letters')
  })

  it('cancels an action, and says how far it came', async () => {
    await addLetters(1_600)
    const page = await open('?view=dead-letters', PHONE)
    // The second transaction of the action waits for this lock.
    const gate = new pg.Client({ connectionString: system.url })
    await gate.connect()
    await gate.query('begin')
    await gate.query(
      `select from dead_letters
      where dead_letter_id = (select dead_letter_id from dead_letters order by dead_at offset 600 limit 1)
      for update`,
    )
    await page.getByRole('button', { name: /^Discard all/ }).click()
    await page.getByRole('dialog').getByText('1600 match').waitFor()
    await send(page, 'too many', /^Discard all 1600$/)
    await page.locator('[data-status="RUNNING"]', { hasText: '500 of 1600' }).waitFor()
    await expectAccessible(page, 'an action in progress')
    await expectNoSidewaysScrolling(page, 390)
    await page.getByRole('button', { name: /^Cancel the action/ }).click()
    await send(page, 'a mistake', /^Cancel$/)
    await gate.end()
    const said = page.getByRole('dialog').getByRole('status')
    await said.waitFor()
    const [action] = await system.database.query<{ result: string; handled: number }>(
      'select result, done_count as handled from ops_actions order by action_id desc limit 1',
    )
    expect(await said.innerText()).to.equal(`${action?.result}.`)
    const decided = await system.database.query(`select from dead_letters where fate = 'DISCARDED'`)
    expect(decided).to.have.length(action?.handled ?? 0)
    await system.database.execute('delete from dead_letters')
  })

  it('releases one quarantined event, and retries all jobs of a queue that match', async () => {
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    await system.database.execute(
      `update outbox_events set dispatched_at = null, quarantined_at = now(), error = 'no route'
      where order_id = $1 and type = 'order.status.preparing.v1'`,
      [order_id],
    )
    const page = await open('?view=quarantine', PHONE)
    await page.getByRole('button', { name: /^Release the event/ }).waitFor()
    await expectAccessible(page, 'quarantine with buttons')
    await expectNoSidewaysScrolling(page, 390)
    await page.getByRole('button', { name: /^Release the event/ }).click()
    await send(page, 'there is a route now', /^Release 1$/)
    await page.locator('.marked[data-status="DONE"]', { hasText: '1 of 1: 1 done' }).waitFor()

    await system.database.execute(
      `insert into pgboss.job (name, data, state, retry_limit, retry_count, start_after, output, policy)
      select 'order.reject', '{}', 'retry', 12, 3, now() + interval '1 hour', '{"message":"a lock"}', 'standard'
      from generate_series(1, 2)`,
    )
    await page.goto(`${system.api.baseUrl}/console?view=jobs&queue=order.reject&state=retry`)
    await page
      .getByRole('button', { name: /^Retry the job/ })
      .first()
      .waitFor()
    await expectAccessible(page, 'jobs with buttons')
    await expectNoSidewaysScrolling(page, 390)
    await page.getByRole('button', { name: /^Retry all/ }).click()
    await send(page, 'the lock is gone', /^Retry all 2$/)
    await page.locator('.marked[data-status="DONE"]', { hasText: '2 of 2: 2 done' }).waitFor()
    await system.database.execute(`delete from pgboss.job where name = 'order.reject'`)
  })

  it('tests a webhook, and sends it one delivery and everything since a time again', async () => {
    const receiver = await Receiver.start()
    try {
      await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
      const arrived = (count: number) =>
        until(`${count} deliveries have arrived`, () => receiver.received.length === count)
      const page = await open('?view=webhooks', PHONE)
      await page.getByRole('button', { name: /^Send a test event/ }).click()
      await send(page, 'is it there?', /^Send a test event to$/)
      await page.getByRole('dialog').getByText('Done: send a test event').waitFor()
      await arrived(1)
      await page.keyboard.press('Escape')

      const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
      await system.api.untilStatus(order_id, 'PREPARING')
      await arrived(4)
      await page
        .getByRole('button', { name: /^Send again the delivery/ })
        .nth(2)
        .waitFor()
      await expectAccessible(page, 'webhooks with buttons')
      await expectNoSidewaysScrolling(page, 390)
      await page
        .getByRole('button', { name: /^Send again the delivery/ })
        .first()
        .click()
      await send(page, 'they lost it', /^Send again$/)
      await page.getByRole('dialog').getByText('Done: send again').waitFor()
      await arrived(5)
      await page.keyboard.press('Escape')

      await page.getByRole('button', { name: /^Send again everything/ }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel('Since').fill('2026-01-01T00:00:00Z')
      await dialog.getByRole('button', { name: 'Preview' }).click()
      await dialog.getByText('3 match').waitFor()
      await send(page, 'they lost everything', /^Send again everything since 3$/)
      await page.locator('.marked[data-status="DONE"]', { hasText: '3 of 3: 3 done' }).waitFor()
      await arrived(8)
      expect((await audits('test webhook')).length).to.equal(1)
      expect((await audits('redeliver')).map(row => row['reason'])).to.deep.equal([
        'they lost it',
        'they lost everything',
      ])
    } finally {
      await receiver.stop()
    }
  })
})

describeInBrowser('changes in the console with authentication', () => {
  let system: TestSystem
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(['api', 'operations'], quiet, { AUTH_MODE: 'api-key' })
  })
  after(() => system.stop())

  async function signIn(scopes: ('ops' | 'ops:write')[]): Promise<Page> {
    const { key } = await createApiKey(system.database, { name: 'grace', scopes })
    const page = await openConsole(pages, `${system.api.baseUrl}/console`)
    await page.getByLabel('API key or token').fill(key)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: /^Problems: / }).waitFor()
    return page
  }

  it('shows the shell command and no button to a key without the scope ops:write', async () => {
    const page = await signIn(['ops'])
    await page.locator('summary', { hasText: 'Pause order.reject' }).click()
    const row = page.locator('.rows > li', { hasText: 'order.reject' })
    expect(await row.locator('code').innerText()).to.equal('npm run ops -- pause order.reject --reason "…"')
    expect(await row.innerText()).to.include('Not on this page')
    expect(await page.getByRole('button', { name: /…$/ }).count()).to.equal(0)
    // Neither does the API make the change for this session.
    const status = await page.evaluate(async () => {
      const response = await fetch('/api/v1/ops/queues/order.reject/pause', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'a-key-of-this-test' },
        body: '{"reason":"x"}',
      })
      return response.status
    })
    expect(status).to.equal(403)
    expect(await system.database.query('select from paused_queues')).to.deep.equal([])
  })

  it('records the name of the key of a change in the audit', async () => {
    const page = await signIn(['ops', 'ops:write'])
    await page.getByRole('button', { name: 'Pause order.reject …', exact: true }).click()
    const dialog = page.getByRole('dialog')
    expect(await dialog.getByLabel('Your name').count()).to.equal(0)
    await dialog.getByLabel('Reason').fill('counting')
    await dialog.getByRole('button', { name: 'Pause', exact: true }).click()
    await dialog.getByText('Done: pause order.reject.').waitFor()
    const audit = await system.database.query('select actor, action, reason from ops.audit')
    expect(audit).to.deep.equal([{ actor: 'grace', action: 'pause', reason: 'counting' }])
  })

  it('redrives all dead letters that match, and records the name of the key for each', async () => {
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, data, error, attempts, first_queued_at, dead_at)
      select id, case when n > 2 then 'order.prepare' else 'order.reject' end, id, id, 'order.placed.v1',
        json_build_object('event_id', id), '{"message":"it is broken"}', 13, now(), now()
      from generate_series(1, 3) as n, uuidv7(n * interval '1 ms') as id`,
    )
    const page = await signIn(['ops', 'ops:write'])
    await page.goto(`${system.api.baseUrl}/console?view=dead-letters&queue=order.reject`)
    await page.getByRole('button', { name: /^Redrive all/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('2 match').waitFor()
    await dialog.getByLabel('Reason').fill('the cause is fixed')
    await dialog.getByRole('button', { name: 'Redrive all 2', exact: true }).click()
    await page.locator('.marked[data-status="DONE"]', { hasText: '2 of 2: 2 done' }).waitFor()
    const letters = await system.database.query(
      'select queue, fate, count(*)::integer as count from dead_letters group by queue, fate order by queue',
    )
    expect(letters).to.deep.equal([
      { queue: 'order.prepare', fate: 'OPEN', count: 1 },
      { queue: 'order.reject', fate: 'REDRIVEN', count: 2 },
    ])
    const jobs = await system.database.query(`select from pgboss.job where name = 'order.reject'`)
    expect(jobs).to.have.length(2)
    const audits = await system.database.query(
      `select distinct actor, reason from ops.audit where action = 'redrive'`,
    )
    expect(audits).to.deep.equal([{ actor: 'grace', reason: 'the cause is fixed' }])
  })
})
