/** Part of an entry of the runbook. */
type Block = { kind: 'text' | 'item' | 'command'; text: string }

export interface Entry {
  anchor: string
  title: string
  blocks: Block[]
}

/** Reads the entries of the runbook, which is the last chapter of docs/operations.md. */
export function entriesOf(markdown: string): Entry[] {
  const [, runbook = ''] = markdown.split('\n## Runbook\n')
  return runbook
    .split('\n### ')
    .slice(1)
    .map(section => {
      const [title = '', ...lines] = section.split('\n')
      return { title, anchor: title.toLowerCase().replaceAll(' ', '-'), blocks: blocksOf(lines.join('\n')) }
    })
}

function blocksOf(text: string): Block[] {
  return text.split(/^```(?:sh)?$/m).flatMap((part, index): Block[] =>
    index % 2 === 1
      ? part
          .trim()
          .split('\n')
          .map(command => ({ kind: 'command' as const, text: command }))
      : part
          .trim()
          .split(/\n\n|\n(?=- )/)
          .filter(paragraph => paragraph !== '')
          .map(paragraph => ({
            kind: paragraph.startsWith('- ') ? ('item' as const) : ('text' as const),
            text: plainOf(paragraph),
          })),
  )
}

/** Returns a paragraph of Markdown on one line, without its marks. */
function plainOf(paragraph: string): string {
  return paragraph
    .replace(/^- /, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll('`', '')
}
