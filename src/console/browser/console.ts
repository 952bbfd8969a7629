import type { Answer, Api } from '../../pages/browser/api.ts'
import type { Action, DeadLetterCounts, Overview } from './api-types.ts'
import { rights } from './change.ts'
import { operationOf, type Place, placeOf } from './place.ts'
import { type Entry, entriesOf } from './runbook.ts'

/** What the console shows, and how it keeps that up to date. */
export class Console {
  readonly api: Api
  place: Place
  /** body of the last answer for this place; undefined: none yet */
  body: unknown
  /** open dead letters that match the filters */
  counts: DeadLetterCounts | undefined
  /** link to the next page of the list */
  next: string | undefined
  /** the rows of further pages, which a person has asked for */
  more: unknown[] = []
  entries: Entry[] = []
  asOfMs: number | undefined
  problem: string | undefined
  isSignedOut = false
  /** The API answered that it cannot work now: in most cases the database does not answer. */
  isUnavailable = false
  readonly #changed: () => void
  readonly #nowMs: () => number
  #reading = 0
  #hasRights = false

  constructor(api: Api, nowMs: () => number, changed: () => void) {
    this.api = api
    this.#nowMs = nowMs
    this.#changed = changed
    this.place = placeOf(location.search)
  }

  /** Shows the place of the URL. */
  async go(): Promise<void> {
    this.place = placeOf(location.search)
    this.body = undefined
    this.counts = undefined
    this.next = undefined
    this.more = []
    this.problem = undefined
    this.#changed()
    await Promise.all([this.refresh(), this.#readRights()])
  }

  /** Reads the place again. The former figures stay until there are new ones. */
  async refresh(): Promise<void> {
    const reading = ++this.#reading
    const { place } = this
    if (place.view === 'runbook') return await this.#readRunbook()
    if (place.view === 'search' && !place.filters['q']) return
    const { fate: _, ...filters } = place.filters
    const [answer, counts] = await Promise.all([
      this.api.call(`api/v1/ops/${operationOf(place)}`),
      place.view === 'dead-letters'
        ? this.api.call(`api/v1/ops/dead-letters/groups?${String(new URLSearchParams(filters))}`)
        : undefined,
    ])
    // The person went on meanwhile.
    if (reading !== this.#reading) return
    this.isSignedOut = answer.status === 401
    this.isUnavailable = answer.status === 503
    this.problem = answer.problem ?? counts?.problem
    if (answer.problem === undefined) this.#take(answer)
    if (counts?.problem === undefined) this.counts = counts?.body as DeadLetterCounts | undefined
    this.#changed()
  }

  /** Whether the page shows an action that is in progress. */
  get isActing(): boolean {
    return this.place.view === 'actions' && (this.body as Action[] | undefined)?.some(isRunning) === true
  }

  /** Reads once what the caller can change; the overview brings it with each read. */
  async #readRights(): Promise<void> {
    if (this.#hasRights || this.place.view === 'overview') return
    const { body, problem } = await this.api.call('api/v1/ops/overview')
    if (problem === undefined) this.#takeRights(body as Overview)
    this.#changed()
  }

  #takeRights({ can_change, cannot_change_because }: Overview): void {
    this.#hasRights = true
    rights.canChange = can_change
    rights.because = cannot_change_because ?? ''
  }

  #take({ body, next }: Answer): void {
    this.body = body
    if (this.place.view === 'overview') this.#takeRights(body as Overview)
    this.asOfMs = this.#nowMs()
    if (this.more.length === 0) this.next = next
  }

  async readMore(): Promise<void> {
    if (this.next === undefined) return
    const answer = await this.api.call(this.next)
    this.problem = answer.problem
    if (answer.problem === undefined) {
      this.more = [...this.more, ...(answer.body as unknown[])]
      this.next = answer.next
    }
    this.#changed()
  }

  async #readRunbook(): Promise<void> {
    if (this.entries.length > 0) return
    try {
      const response = await fetch(this.api.url('console/assets/operations.md'))
      if (response.ok) this.entries = entriesOf(await response.text())
      this.asOfMs = this.#nowMs()
    } catch {
      this.problem = 'The runbook cannot be read.'
    }
    this.#changed()
  }
}

const isRunning = ({ ended_at }: Action) => ended_at === null
