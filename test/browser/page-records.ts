import type { Page } from 'playwright-core'

/** Records the first note of each sound. Call it before the page loads. */
export async function recordSounds(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.OscillatorNode = class extends OscillatorNode {
      override start(when?: number): void {
        const { dataset } = document.documentElement
        dataset['notes'] = `${dataset['notes'] ?? ''} ${this.frequency.value}`
        super.start(when)
      }
    }
  })
}

export async function soundsOf(page: Page): Promise<{ new: number; late: number; cancelled: number }> {
  const notes = ((await page.evaluate(() => document.documentElement.dataset['notes'])) ?? '').split(' ')
  const count = (note: string) => notes.filter(each => each === note).length
  return { new: count('880'), late: count('660') / 3, cancelled: count('523') }
}

/** Records the announcements of orders for screen readers. */
export async function recordAnnouncements(page: Page): Promise<void> {
  await page.evaluate(() => {
    const region = document.querySelector('.hidden[role="log"]') as Element
    const { dataset } = document.documentElement
    new MutationObserver(records => {
      const added = records.flatMap(({ addedNodes }) => [...addedNodes])
      for (const node of added)
        if (node instanceof Element)
          dataset['announced'] = `${dataset['announced'] ?? ''}${node.textContent}\n`
    }).observe(region, { childList: true })
  })
}

export async function countAnnounced(page: Page): Promise<number> {
  const text = (await page.evaluate(() => document.documentElement.dataset['announced'])) ?? ''
  return text
    .trim()
    .split('\n')
    .map(line => {
      const [, many, named] = /^New order: (?:(\d+) orders|(.*))\.$/.exec(line) ?? []
      return many === undefined ? (named ?? '').split(', ').length : Number(many)
    })
    .reduce((sum, count) => sum + count, 0)
}

/** Records which kinds of changes the document has. @returns ends the recording */
export async function recordChanges(page: Page): Promise<() => Promise<[kinds: string[], count: number]>> {
  await page.evaluate(() => {
    const { dataset } = document.documentElement
    const kinds = new Set<string>()
    let count = 0
    new MutationObserver(records => {
      for (const { type, attributeName } of records) kinds.add(`${type} ${attributeName ?? ''}`.trim())
      count += records.length
      dataset['changes'] = JSON.stringify([[...kinds], count])
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true })
  })
  return async () =>
    JSON.parse((await page.evaluate(() => document.documentElement.dataset['changes'])) ?? '[]') as [
      string[],
      number,
    ]
}
