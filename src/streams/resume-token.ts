import type { SnapshotPosition } from '../events/snapshot-position.ts'
import type { Cursors } from '../http/cursor.ts'
import { expectedError } from '../http/problem.ts'
import { ExpectedError } from '../platform/errors.ts'

/** How far a client has read the events of a restaurant. */
export interface ResumePoint {
  /** the client has received every event within this position */
  position: SnapshotPosition
  /** and the first `count` events of the batch that ends at `to` */
  part?: { to: SnapshotPosition; count: number }
}

/**
 * Issues and reads the resume points of one restaurant's stream. Clients see opaque, signed tokens.
 */
export class ResumeTokens {
  readonly #cursors: Cursors
  readonly #list: string

  constructor(cursors: Cursors, restaurantId: string) {
    this.#cursors = cursors
    this.#list = `stream of restaurant ${restaurantId}`
  }

  issue({ position, part }: ResumePoint): string {
    const values = [String(position.takenAtMs), format(position)]
    if (part) values.push(format(part.to), String(part.count))
    return this.#cursors.issue(this.#list, [...values, position.timeline])
  }

  /** @throws resume-point-invalid when the token was not issued for this restaurant */
  read(lastEventId: string): ResumePoint {
    const values = this.#read(lastEventId)
    // Tokens of versions before 0.1.0 have an even number of values and no timeline.
    const timeline = values.length % 2 === 1 ? (values.pop() ?? '') : ''
    const [takenAt, position = '', to, count] = values
    const takenAtMs = Number(takenAt)
    return {
      position: { ...parse(position), takenAtMs, timeline },
      ...(to === undefined
        ? {}
        : { part: { to: { ...parse(to), takenAtMs, timeline }, count: Number(count) } }),
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

function format({ next, inProgress }: SnapshotPosition): string {
  return [next, ...inProgress].join(',')
}

function parse(text: string): Pick<SnapshotPosition, 'next' | 'inProgress'> {
  const [next = 0, ...inProgress] = text.split(',').map(Number)
  return { next, inProgress }
}
