import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { opsCommand } from '../../src/console/browser/commands.ts'
import { linkTo, operationOf, placeOf } from '../../src/console/browser/place.ts'
import { entriesOf } from '../../src/console/browser/runbook.ts'
import { problemCodes } from '../../src/ops/read-status.ts'

const ROOT = join(import.meta.dirname, '..', '..')

describe('the console', () => {
  it('keeps the view and its filters in the URL', () => {
    const filters = { queue: 'inventory.deduct', error: 'it’s 100 % & more' }
    expect(placeOf(linkTo('dead-letters', filters))).to.deep.equal({ view: 'dead-letters', filters })
    expect(placeOf('')).to.deep.equal({ view: 'overview', filters: {} })
    expect(placeOf('?view=elsewhere&queue=').view).to.equal('overview')
    expect(operationOf({ view: 'quarantine', filters: { error: 'a b' } })).to.equal(
      'quarantined-events?error=a+b',
    )
    expect(operationOf({ view: 'order', filters: { id: '../webhooks' } })).to.equal('orders/..%2Fwebhooks')
  })

  it('quotes what a shell would change in a command', () => {
    expect(opsCommand(['pause', 'order.reject'])).to.equal('npm run ops -- pause order.reject --reason "…"')
    expect(opsCommand(['redrive'], { error: `can't $(rm) "x"`, type: '', queue: undefined })).to.equal(
      `npm run ops -- redrive --error 'can'\\''t $(rm) "x"' --reason "…"`,
    )
  })

  it('finds each entry of the runbook by the anchor of its heading, with all its commands', () => {
    const markdown = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8')
    const entries = entriesOf(markdown)
    const [, runbook = ''] = markdown.split('\n## Runbook\n')
    expect(entries.map(({ title }) => title)).to.deep.equal(
      [...runbook.matchAll(/^### (.+)$/gm)].map(([, title]) => title),
    )
    const commands = entries.flatMap(({ blocks }) => blocks.filter(({ kind }) => kind === 'command'))
    expect(commands.length).to.be.above(30)
    for (const { text } of commands) expect(text).to.match(/^(npm run|curl) /)
    for (const { blocks } of entries)
      for (const { kind, text } of blocks) if (kind !== 'command') expect(text).not.to.match(/`|\]\(|\n/)
    const status = readFileSync(join(ROOT, 'src', 'ops', 'read-status.ts'), 'utf8')
    const anchors = [...status.matchAll(/runbook: '([^']+)'/g)].map(([, anchor]) => anchor)
    expect(anchors.length).to.be.at.least(problemCodes.length - 5)
    const page = readFileSync(join(ROOT, 'src', 'console', 'browser', 'overview-view.ts'), 'utf8')
    const shown = [...page.matchAll(/entry: '([^']+)'/g)].map(([, anchor]) => anchor)
    expect(entries.map(({ anchor }) => anchor)).to.include.members([...anchors, ...shown])
  })
})
