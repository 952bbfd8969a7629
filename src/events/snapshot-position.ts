/**
 * What a snapshot of Postgres saw: the transactions below `next` that were not `underWay`. Transactions commit in another
 * order than they get their numbers, so no single number says up to where one has read; a horizon does.
 * https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 */
export interface SnapshotPosition {
  readonly next: number
  readonly underWay: readonly number[]
}

/** @param snapshot of `pg_current_snapshot()`, as text: `xmin:xmax:xip,…` */
export function snapshotPosition(snapshot: string): SnapshotPosition {
  const [, next, underWay = ''] = snapshot.split(':')
  return { next: Number(next), underWay: underWay === '' ? [] : underWay.split(',').map(Number) }
}

/** Whether what the transaction wrote was there at the horizon, if it is there at all. */
export function isWithin({ next, underWay }: SnapshotPosition, xid: number): boolean {
  return xid < next && !underWay.includes(xid)
}

/** The horizon that reaches only to the transactions below `next`. */
export function narrowTo(next: number, { underWay }: SnapshotPosition): SnapshotPosition {
  return { next, underWay: underWay.filter(xid => xid < next) }
}
