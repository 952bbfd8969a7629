/**
 * Which transactions a Postgres snapshot includes: all below `next`, except those still
 * `inProgress`. Transactions commit in a different order than their ids are assigned, so a single
 * number cannot mark how far a reader has come; a snapshot can.
 * https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 */
export interface SnapshotPosition {
  /** {@link timelineSql} of the server: transaction ids of another one are other transactions */
  readonly timeline: string
  readonly next: number
  readonly inProgress: readonly number[]
  /** a time before the snapshot was taken, in ms since 1970: later events have no much older ids */
  readonly takenAtMs: number
}

/**
 * SQL: the system identifier and the timeline of a primary, e.g. `7713206956954754427.00000001`. A
 * server that was promoted or restored is on another timeline, and may use transaction ids again
 * that its predecessor had used. Fails on a standby.
 */
export const timelineSql = `(
    select system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    from pg_control_system()
  )`

/** The columns `snapshot` and `wal_timeline` of a row. */
export const positionSql = `pg_current_snapshot()::text as snapshot, ${timelineSql} as wal_timeline`

/** What {@link positionSql} returns; `snapshot` is `xmin:xmax:xip,…`. */
export interface PositionRow {
  snapshot: string
  wal_timeline: string
}

export function snapshotPosition(row: PositionRow | undefined, takenAtMs: number): SnapshotPosition {
  if (!row) throw new Error('no snapshot')
  const { snapshot, wal_timeline: timeline } = row
  const [, next, inProgress = ''] = snapshot.split(':')
  return {
    timeline,
    next: Number(next),
    inProgress: inProgress === '' ? [] : inProgress.split(',').map(Number),
    takenAtMs,
  }
}

/** Returns whether the position includes the transaction, if that has committed. */
export function isWithin({ next, inProgress }: SnapshotPosition, xid: number): boolean {
  return xid < next && !inProgress.includes(xid)
}

/** Returns the part of the position that includes only transactions below `next`. */
export function narrowTo(next: number, position: SnapshotPosition): SnapshotPosition {
  return { ...position, next, inProgress: position.inProgress.filter(xid => xid < next) }
}

/**
 * Returns a position that is not beyond any of these. Events that are read again for some readers
 * are skipped by their own positions. Positions of another timeline only make it earlier.
 */
export function earliestOf(positions: Iterable<SnapshotPosition>): SnapshotPosition {
  const all = [...positions]
  const next = all.reduce((least, position) => Math.min(least, position.next), Number.POSITIVE_INFINITY)
  return narrowTo(next, {
    timeline: all[0]?.timeline ?? '',
    next,
    inProgress: [...new Set(all.flatMap(({ inProgress }) => inProgress))],
    takenAtMs: all.reduce((least, { takenAtMs }) => Math.min(least, takenAtMs), Number.POSITIVE_INFINITY),
  })
}
