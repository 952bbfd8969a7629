import { z } from 'zod'
import type { Cursors } from './cursor.ts'
import type { RouteReply } from './route-reply.ts'

/** Cursor pagination: each page has a `Link` to the next one (RFC 8288). */

const MAX_PAGE_COUNT = 100
const DEFAULT_PAGE_COUNT = 20
const MAX_CURSOR_LENGTH = 500
const NOT_A_LIMIT = `must be a whole number from 1 to ${MAX_PAGE_COUNT}`

/** Query parameters of every list. */
export const paginationFields = {
  limit: z
    .string(NOT_A_LIMIT)
    .regex(/^[1-9]\d{0,2}$/, NOT_A_LIMIT)
    .transform(Number)
    .refine(limit => limit <= MAX_PAGE_COUNT, NOT_A_LIMIT)
    .default(DEFAULT_PAGE_COUNT)
    .meta({
      description: 'Maximum number of entries per page',
      example: DEFAULT_PAGE_COUNT,
      override: { type: 'integer', minimum: 1, maximum: MAX_PAGE_COUNT, default: DEFAULT_PAGE_COUNT },
    }),
  cursor: z
    .string('must not be repeated')
    .max(MAX_CURSOR_LENGTH, `must not be longer than ${MAX_CURSOR_LENGTH} characters`)
    .transform(cursor => cursor || undefined)
    .optional()
    .meta({
      description:
        'Position from the `Link` header of the previous page; valid for the same filters only. Empty: the first page',
      example: '',
    }),
}

/** Query parameters of a list without filters. */
const paginationQuery = z.strictObject(paginationFields)

export const paginationHeaders = {
  Link: '`rel="next"` is the next page, absent on the last; `rel="first"` is the first page',
}

/** Returns the part of a route's spec that all lists share. */
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
  /** path of the list, with the ids filled in */
  path: string
  query: { limit: number; cursor?: string | undefined }
  /** filters as in the URL */
  filters?: Record<string, string | undefined>
  /** Reads at most `count` rows after `position`, in the order of the list. */
  read: (position: string[] | undefined, count: number) => Promise<Row[]>
  /** Returns the sort key of a row. */
  positionOf: (row: Row) => string[]
  present: (row: Row) => Entry
}

/** Returns one page of a list with its `Link` header. @throws cursor-invalid */
export async function readPage<Row, Entry>(page: Page<Row, Entry>): Promise<RouteReply<Entry[]>> {
  const { cursors, path, query, filters = {}, read, positionOf, present } = page
  const activeFilters = Object.entries(filters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const list = `${path}?${String(new URLSearchParams(activeFilters))}`
  const position = query.cursor === undefined ? undefined : cursors.read(list, query.cursor)
  // The extra row reveals whether there is a next page.
  const rows = await read(position, query.limit + 1)
  const pageRows = rows.slice(0, query.limit)
  const last = pageRows.at(-1)
  const linkTo = (rel: string, cursor: [string, string][]) =>
    `<${path}?${String(new URLSearchParams([...activeFilters, ['limit', String(query.limit)], ...cursor]))}>; rel="${rel}"`
  const links = [
    ...(rows.length > pageRows.length && last !== undefined
      ? [linkTo('next', [['cursor', cursors.issue(list, positionOf(last))]])]
      : []),
    ...(position ? [linkTo('first', [])] : []),
  ]
  return { body: pageRows.map(present), headers: links.length > 0 ? { Link: links.join(', ') } : {} }
}
