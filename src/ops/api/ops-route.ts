import type { Database } from '../../db/database.ts'
import type { Cursors } from '../../http/cursor.ts'
import { paginationHeaders, readPage } from '../../http/pagination.ts'
import { type Route, type RouteSpec, route } from '../../http/route.ts'
import { requireUnrestricted } from '../../platform/caller.ts'
import type { Operations } from '../actions/operations.ts'
import { readSnapshot } from '../read-snapshot.ts'
import type { OwnState } from './own-problems.ts'
import type { Rows } from './view-rows.ts'

export interface OpsRoutesOptions {
  database: Database
  cursors: Cursors
  /** makes the changes of operators; undefined: this API makes none */
  operations?: Operations | undefined
  /** returns what this process reports of itself; undefined: nothing */
  ownState?: () => Promise<OwnState>
}

/** Longest that a statement of an operators' page may take; the views take milliseconds. */
export const STATEMENT_TIMEOUT_MS = 3_000

/** What a caller that is restricted to certain restaurants cannot do. */
export const WHAT = 'operate the system'

type ReadSpec<Params, Query, Reply> = Omit<
  RouteSpec<Params, Query, unknown, Reply>,
  'method' | 'scope' | 'tag' | 'status' | 'body'
>

/** A read for operators: scope `ops`, and no restriction to certain restaurants. */
export function opsRoute<Params, Query, Reply>(spec: ReadSpec<Params, Query, Reply>): Route {
  return route<Params, Query, unknown, Reply>({
    ...spec,
    method: 'get',
    scope: 'ops',
    tag: 'Operations',
    status: 200,
    handle: async request => {
      requireUnrestricted(request.caller, WHAT)
      return await spec.handle(request)
    },
  })
}

type QueryValues = { limit: number; cursor?: string | undefined } & Record<string, unknown>

interface ListSpec<Query extends QueryValues, Row>
  extends Pick<
    ReadSpec<unknown, Query, Row[]>,
    'path' | 'operationId' | 'summary' | 'description' | 'statusDescription'
  > {
  query: NonNullable<ReadSpec<unknown, Query, Row[]>['query']>
  rows: Rows<Row>
  /**
   * Returns a query for the rows after the last row of the previous page. Its parameters begin with
   * those of `values`; the column `position` holds the sort key as text values.
   */
  read: (query: Query, after: string[] | undefined, count: number) => { sql: string; values: unknown[] }
}

/** A list for operators: filtered, in pages. */
export function opsList<Query extends QueryValues, Row>(
  { database, cursors }: OpsRoutesOptions,
  { rows, read, ...spec }: ListSpec<Query, Row>,
): Route {
  type Read = Record<string, unknown> & { position: string[] }
  return opsRoute<unknown, Query, Row[]>({
    ...spec,
    replySchema: arrayOf(rows),
    replyExample: [rows.example],
    optionalReplyHeaders: paginationHeaders,
    errors: [],
    handle: async ({ path, query }) => {
      const { limit: _, cursor: __, ...filters } = query
      return await readPage<Read, Row>({
        cursors,
        path,
        query,
        filters: filters as Record<string, string | undefined>,
        read: async (after, count) => {
          const { sql, values } = read(query, after, count)
          return await readSnapshot(database, tx => tx.query<Read>(sql, values), STATEMENT_TIMEOUT_MS)
        },
        positionOf: ({ position }) => position,
        present: rows.present,
      })
    },
  })
}

const arrayOf = <Row>({ schema }: Rows<Row>) => schema.array()

/** The sort key of a row as text: a time with its microseconds, and an id. */
export const positionSql = (timeColumn: string, idColumn: string) =>
  `array[to_char(${timeColumn} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ${idColumn}::text] as position`
