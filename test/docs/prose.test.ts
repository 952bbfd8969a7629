import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, normalize, relative } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', '..')
const MAX_COLUMNS = 100

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const filesOf = (...patterns: string[]) =>
  patterns
    .flatMap(pattern => globSync(pattern, { cwd: ROOT, exclude: name => name === 'node_modules' }))
    .map(file => file.replaceAll('\\', '/'))
    .toSorted()

const markdown = filesOf('*.md', 'docs/**/*.md')
const sources = filesOf('src/**/*.{ts,js}')
const commented = filesOf('{src,test,scripts}/**/*.{ts,js}')

/**
 * Words of the project's former dialect, each with its plain term. Only words that hardly ever
 * occur in plain technical English are listed.
 */
const dialect: readonly [word: RegExp, instead: string][] = [
  [/\bwhoever\b/, 'name the actor'],
  [/\banew\b/, 'again'],
  [/\bunder way\b/, 'in flight, in progress'],
  [/\bin hand\b/, 'in progress'],
  [/\bslow path\b/, 'asynchronous pipeline'],
  [/\btold apart\b/, 'authenticated'],
  [/\bstrangers?\b/, 'unauthenticated client'],
  [/\bhears? of\b/, 'is subscribed to'],
  [/\blook(s|ed|ing)? after\b/, 'maintain, sweep'],
  [/\bgives? way\b/, 'run at lower priority'],
  [/\bcrosswise\b/, 'in opposite order'],
  [/\bof old[.,;:)]/, 'former'],
  [/\bleft out\b/, 'optional, by default'],
  [/\bfor want of\b/, 'without'],
  [/(?<![`'"/])\bnobody\b(?![`'"])/, 'no client, no process'],
]

/** Fails with each of the findings on a line of its own: chai shortens long lists. */
function expectNone(findings: readonly string[]): void {
  expect(findings.length, `\n${findings.join('\n')}\n`).to.equal(0)
}

/** Returns the dialect words of a text. Line breaks and the marks of comments count as blanks. */
function dialectIn(text: string): string[] {
  const flat = text.replaceAll(/\s+(\*|\/\/)?\s*/g, ' ').toLowerCase()
  return dialect.flatMap(([word, instead]) => {
    const found = word.exec(flat)
    if (!found) return []
    const context = flat.slice(Math.max(0, found.index - 40), found.index + 40)
    return [`“${found[0]}” (${instead}): …${context}…`]
  })
}

/** Returns a Markdown text with blank lines for its code blocks, so that line numbers stay. */
function withoutCode(text: string): string[] {
  let isFenced = false
  return text.split('\n').map(line => {
    const isFence = /^\s*(```|~~~)/.test(line)
    if (isFence) isFenced = !isFenced
    return isFence || isFenced || /^ {4}/.test(line) ? '' : line
  })
}

/** Returns whether a line cannot be wrapped: a table row, link, badge, link definition or HTML. */
const cannotWrap = (line: string) =>
  /^\s*\|/.test(line) ||
  /^\s*([-*] )?(<|\[!\[|!\[|\[[^\]]+\]: )/.test(line) ||
  /^\s*([-*] )?(\[[^\]]*\]\([^)]*\)|<?https?:\S+)[.,:;]?$/.test(line)

describe('Markdown files', () => {
  for (const file of markdown) {
    const lines = withoutCode(read(file))

    it(`${file} has no prose line over ${MAX_COLUMNS} columns`, () => {
      const long = lines.flatMap((line, index) =>
        Array.from(line).length > MAX_COLUMNS && !cannotWrap(line) ? [`${file}:${index + 1}: ${line}`] : [],
      )
      expectNone(long)
    })

    it(`${file} has no link to a file or heading that does not exist`, () => {
      expectNone(linksOf(lines.join('\n')).flatMap(link => brokenLink(file, link)))
    })

    // What the changelog names may have been renamed since.
    if (file !== 'CHANGELOG.md')
      it(`${file} names no file that does not exist`, () => {
        const named = [...lines.join('\n').matchAll(/`((?:src|test|scripts|docs)\/[\w./-]+)`/g)]
        // The recipe of CONTRIBUTING.md creates files.
        const created = [...lines.join('\n').matchAll(/`([\w./-]+)`, a new file/g)].map(([, path]) => path)
        const missing = named
          .map(([, path = '']) => path)
          .filter(path => !existsSync(join(ROOT, path)) && !created.includes(path))
        expectNone(missing)
      })

    it(`${file} is in plain English`, () => {
      expectNone(dialectIn(lines.join('\n')))
    })
  }

  for (const [file, maxLines] of [
    ['README.md', 130],
    ['docs/performance.md', 80],
  ] as const)
    it(`${file} has at most ${maxLines} lines`, () => {
      expect(read(file).trimEnd().split('\n').length).to.be.at.most(maxLines)
    })

  it('docs/README.md lists every document', () => {
    const listed = linksOf(read('docs/README.md')).map(({ target }) => target)
    const documents = markdown.filter(file => /^docs\/[^/]+\.md$/.test(file) && file !== 'docs/README.md')
    expectNone(documents.map(file => basename(file)).filter(name => !listed.includes(name)))
  })
})

describe('comments and strings', () => {
  it(`have no comment line over ${MAX_COLUMNS} columns`, () => {
    const long = commented.flatMap(file =>
      read(file)
        .split('\n')
        .flatMap((line, index) => (isLongComment(line) ? [`${file}:${index + 1}`] : [])),
    )
    expectNone(long)
  })

  it('name no file that does not exist', () => {
    const missing = commented.flatMap(file =>
      read(file)
        .split('\n')
        .filter(isComment)
        .flatMap(line => [...line.matchAll(/(?<![\w./-])(?:src|test|scripts|docs)\/[\w./-]+\.\w+/g)])
        .map(([path]) => path)
        .filter(path => !existsSync(join(ROOT, path)))
        .map(path => `${file}: ${path}`),
    )
    expectNone(missing)
  })

  it('of src are in plain English', () => {
    const found = sources.flatMap(file => dialectIn(read(file)).map(words => `${file}: ${words}`))
    expectNone(found)
  })
})

const isComment = (line: string) => /^\s*(\/\/|\/\*|\*)/.test(line)

/** Returns whether a comment line is too long. URLs cannot be wrapped. */
const isLongComment = (line: string) =>
  isComment(line) && Array.from(line).length > MAX_COLUMNS && !line.includes('https://')

interface Link {
  text: string
  target: string
}

/** Returns the links and images of a Markdown text, those in HTML too. */
function linksOf(text: string): Link[] {
  const plain = text.replaceAll(/(?<!\[)`[^`]*`(?!\])/g, '')
  return [
    ...[...plain.matchAll(/\[([^[\]]*)\]\(([^)\s]+)[^)]*\)/g)].map(([, text = '', target = '']) => ({
      text,
      target,
    })),
    ...[...plain.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, target = '']) => ({ text: '', target })),
  ]
}

/** Returns what is wrong with a link of a file. Other sites are not checked. */
function brokenLink(file: string, { text, target }: Link): string[] {
  if (/^[a-z]+:/.test(target)) return []
  const [path = '', anchor] = target.split('#')
  const leadsTo = path === '' ? file : normalize(join(dirname(file), path))
  if (!existsSync(join(ROOT, leadsTo))) return [`${target}: no such file`]
  const named = text.replaceAll('`', '')
  if (/^[\w./-]+\.(ts|js|md|json|yml)$/.test(named) && !relative('.', leadsTo).endsWith(basename(named)))
    return [`${target}: is not the file ${named}`]
  if (anchor === undefined || !leadsTo.endsWith('.md')) return []
  return anchorsOf(leadsTo).has(anchor) ? [] : [`${target}: no such heading`]
}

/** Returns the anchors that GitHub makes of the headings of a file. */
function anchorsOf(file: string): Set<string> {
  const counts = new Map<string, number>()
  const lines = statSync(join(ROOT, file)).isFile() ? withoutCode(read(file)) : []
  const anchors = lines.flatMap(line => {
    const [, heading] = /^#{1,6} +(.*?) *#*$/.exec(line) ?? []
    if (heading === undefined) return []
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    return [count === 0 ? anchor : `${anchor}-${count}`]
  })
  return new Set(anchors)
}
