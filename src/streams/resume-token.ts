import type { SnapshotPosition } from '../events/snapshot-position.ts'
import type { Cursors } from '../http/cursor.ts'
import { expectedError } from '../http/problem.ts'
import { ExpectedError } from '../platform/errors.ts'
import { OUTBOX_RETENTION_DAYS } from '../platform/retention.ts'

/** Up to where a client has seen the events of a restaurant. */
export interface ResumePoint {
  /** everything within it has been seen */
  horizon: SnapshotPosition
  /** and so many, in order, of what is within this one */
  part?: { to: SnapshotPosition; count: number }
}

/** Events are pruned when they are older than they are kept, by the hour: a day less is on the safe side. */
const GOOD_FOR_MS = (OUTBOX_RETENTION_DAYS - 1) * 24 * 60 * 60 * 1_000

/** Resume points of one restaurant's stream, opaque to clients and signed. */
export class ResumeTokens {
  readonly #cursors: Cursors
  readonly #list: string

  constructor(cursors: Cursors, restaurantId: string) {
    this.#cursors = cursors
    this.#list = `stream of restaurant ${restaurantId}`
  }

  issue({ horizon, part }: ResumePoint): string {
    const values = [String(Date.now()), textOf(horizon)]
    return this.#cursors.issue(this.#list, part ? [...values, textOf(part.to), String(part.count)] : values)
  }

  /**
   * @returns undefined when it is too old to go on from: events behind it may not be kept any more
   * @throws resume-point-invalid when it was not given out for this restaurant
   */
  read(lastEventId: string): ResumePoint | undefined {
    const [at, horizon = '', to, count] = this.#read(lastEventId)
    if (Date.now() - Number(at) > GOOD_FOR_MS) return undefined
    return {
      horizon: parse(horizon),
      ...(to === undefined ? {} : { part: { to: parse(to), count: Number(count) } }),
    }
  }

  #read(lastEventId: string): string[] {
    try {
      return this.#cursors.read(this.#list, lastEventId)
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error
      throw expectedError('resume-point-invalid')
    }
  }
}

function textOf({ next, underWay }: SnapshotPosition): string {
  return [next, ...underWay].join(',')
}

function parse(text: string): SnapshotPosition {
  const [next = 0, ...underWay] = text.split(',').map(Number)
  return { next, underWay }
}
