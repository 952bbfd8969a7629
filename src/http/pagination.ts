import { z } from 'zod'
import type { Cursors } from './cursor.ts'
import type { RouteReply } from './route-reply.ts'

/** Lists come in pages, each with a `Link` to the next (RFC 8288). */

const MAX_PAGE_COUNT = 100
const DEFAULT_PAGE_COUNT = 20
const MAX_CURSOR_LENGTH = 500
const NOT_A_LIMIT = `must be a whole number from 1 to ${MAX_PAGE_COUNT}`

/** What every list takes. */
export const paginationFields = {
  limit: z
    .string(NOT_A_LIMIT)
    .regex(/^[1-9]\d{0,2}$/, NOT_A_LIMIT)
    .transform(Number)
    .refine(limit => limit <= MAX_PAGE_COUNT, NOT_A_LIMIT)
    .default(DEFAULT_PAGE_COUNT)
    .meta({
      description: `Entries a page; left out, ${DEFAULT_PAGE_COUNT}`,
      override: { type: 'integer', minimum: 1, maximum: MAX_PAGE_COUNT, default: DEFAULT_PAGE_COUNT },
    }),
  cursor: z
    .string('must come once')
    .max(MAX_CURSOR_LENGTH, `must not be longer than ${MAX_CURSOR_LENGTH} characters`)
    .optional()
    .meta({
      description: 'Where to go on: from the `Link` of the page before; it is good for the same filters',
    }),
}

/** What a list without filters takes. */
const paginationQuery = z.strictObject(paginationFields)

export const paginationHeaders = {
  Link: '`rel="next"` leads to the next page, and is missing on the last; `rel="first"` leads to the first',
}

/** How a list is documented, whatever it is of. */
export function listOf<Entry>(schema: z.ZodType<Entry>, example: Entry) {
  return {
    method: 'get' as const,
    query: paginationQuery,
    status: 200 as const,
    replySchema: z.array(schema),
    replyExample: [example],
    optionalReplyHeaders: paginationHeaders,
  }
}

interface Page<Row, Entry> {
  cursors: Cursors
  /** the list's path, with the ids in it */
  path: string
  query: { limit: number; cursor?: string | undefined }
  /** filters as they stand in the URL */
  filters?: Record<string, string | undefined>
  /** at most `count` rows from beyond `position` on, in the list's order */
  read: (position: string[] | undefined, count: number) => Promise<Row[]>
  /** what the list is ordered by */
  positionOf: (row: Row) => string[]
  present: (row: Row) => Entry
}

/** One page of a list. @throws cursor-invalid */
export async function readPage<Row, Entry>(page: Page<Row, Entry>): Promise<RouteReply<Entry[]>> {
  const { cursors, path, query, filters = {}, read, positionOf, present } = page
  const kept = Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const list = `${path}?${String(new URLSearchParams(kept))}`
  const position = query.cursor === undefined ? undefined : cursors.read(list, query.cursor)
  // One more than shown: it tells whether there is a next page.
  const rows = await read(position, query.limit + 1)
  const shown = rows.slice(0, query.limit)
  const last = shown.at(-1)
  const linkTo = (rel: string, cursor: [string, string][]) =>
    `<${path}?${String(new URLSearchParams([...kept, ['limit', String(query.limit)], ...cursor]))}>; rel="${rel}"`
  const links = [
    ...(rows.length > shown.length && last !== undefined
      ? [linkTo('next', [['cursor', cursors.issue(list, positionOf(last))]])]
      : []),
    ...(position ? [linkTo('first', [])] : []),
  ]
  return { body: shown.map(present), headers: links.length > 0 ? { Link: links.join(', ') } : {} }
}
