import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import type { DeliveryOutcome } from './decide-outcome.ts'
import { type RecordedOutcomes, recordOutcomes } from './record-outcomes.ts'

interface OutcomeBatcherOptions {
  database: Database
  log: Logger
  /** called after the commit of a batch */
  onRecorded: (batch: readonly DeliveryOutcome[], recorded: RecordedOutcomes) => void
  /** whether to give up when recording fails: the leases expire, and other workers continue */
  isStopping: () => boolean
}

const BATCH_COUNT = 200
const ERROR_PAUSE_MS = 1_000

/** Records outcomes in the order in which they are added, many in one transaction. */
export class OutcomeBatcher {
  readonly #options: OutcomeBatcherOptions
  readonly #outcomes: DeliveryOutcome[] = []
  #isRecording = false
  #recording: Promise<void> | undefined

  constructor(options: OutcomeBatcherOptions) {
    this.#options = options
  }

  /** Records an outcome with others, soon. */
  add(outcome: DeliveryOutcome): void {
    this.#outcomes.push(outcome)
    if (this.#isRecording) return
    this.#isRecording = true
    this.#recording = this.#recordAll()
  }

  /** Resolves when all outcomes are recorded, or when recording failed while the worker stops. */
  async untilIdle(): Promise<void> {
    await this.#recording
  }

  async #recordAll(): Promise<void> {
    const { database, log, onRecorded, isStopping } = this.#options
    // Outcomes of the same turn of the event loop share the first batch.
    await new Promise(done => setImmediate(done))
    while (this.#outcomes.length > 0) {
      const batch = this.#outcomes.slice(0, BATCH_COUNT)
      try {
        const recorded = await database.transaction(tx => recordOutcomes(tx, batch))
        this.#outcomes.splice(0, batch.length)
        onRecorded(batch, recorded)
      } catch (error) {
        log.error({ error: String(error) }, 'outcomes of deliveries could not be recorded; retrying')
        if (isStopping()) break
        await new Promise(done => setTimeout(done, ERROR_PAUSE_MS))
      }
    }
    // In the same turn as the last check of the length, so that no outcome is overlooked.
    this.#isRecording = false
  }
}
