/**
 * Which transactions a Postgres snapshot includes: all below `next`, except those still
 * `inProgress`. Transactions commit in a different order than their ids are assigned, so a single
 * number cannot mark how far a reader has come; a snapshot can.
 * https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 */
export interface SnapshotPosition {
  readonly next: number
  readonly inProgress: readonly number[]
  /** a time before the snapshot was taken, in ms since 1970: later events have no much older ids */
  readonly takenAtMs: number
}

/** @param snapshot text of `pg_current_snapshot()`: `xmin:xmax:xip,…` */
export function snapshotPosition(snapshot: string, takenAtMs: number): SnapshotPosition {
  const [, next, inProgress = ''] = snapshot.split(':')
  return {
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
export function narrowTo(next: number, { inProgress, takenAtMs }: SnapshotPosition): SnapshotPosition {
  return { next, inProgress: inProgress.filter(xid => xid < next), takenAtMs }
}

/**
 * Returns a position that is not beyond any of these. Events that are read again for some readers
 * are skipped by their own positions.
 */
export function earliestOf(positions: Iterable<SnapshotPosition>): SnapshotPosition {
  const all = [...positions]
  const next = all.reduce((least, position) => Math.min(least, position.next), Number.POSITIVE_INFINITY)
  return narrowTo(next, {
    next,
    inProgress: [...new Set(all.flatMap(({ inProgress }) => inProgress))],
    takenAtMs: all.reduce((least, { takenAtMs }) => Math.min(least, takenAtMs), Number.POSITIVE_INFINITY),
  })
}
