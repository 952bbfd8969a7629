import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { CheckResult } from '../http/server/health.ts'
import type { Config } from '../platform/config.ts'
import type { ForeignMetrics } from '../platform/meters.ts'
import type { Pipeline } from './pipeline.ts'

/** What the child process reports when asked. */
interface Reports {
  readiness: CheckResult[]
  metrics: ForeignMetrics
}

/** A message to the child process. */
export type ToPipeline =
  | { type: 'start'; config: Config }
  | { type: 'wake' | 'drain' | keyof Reports }
  | { type: 'stop'; budgetMs: number }

/** A message of the child process. */
export type FromPipeline =
  | { type: 'started' }
  | { [Name in keyof Reports]: { type: Name; report: Reports[Name] } }[keyof Reports]

const PROGRAM = join(import.meta.dirname, 'pipeline-child.ts')
/** Those of `npm run worker`. They override the flags of this process, which are the API's. */
const HEAP_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=40']
const REPORT_TIMEOUT_MS = 2_000

/** The process of dispatcher and worker has ended without being stopped. */
export class PipelineEnded extends Error {
  override name = 'PipelineEnded'
}

/**
 * A child process in which dispatcher and worker run, so that they use another core than the API.
 * It ends when this process ends in any way: its program stops when the channel to this process is
 * closed.
 */
export class PipelineProcess implements Pipeline {
  /** rejects with {@link PipelineEnded} when the process ends without {@link stop} */
  readonly failed: Promise<never>
  readonly #child: ChildProcess
  readonly #started = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<string>()
  /** Reports that the child has not sent yet: a child that hangs is asked for each only once. */
  readonly #asked = new Map<keyof Reports, PromiseWithResolvers<Reports[keyof Reports]>>()
  #isStopping = false
  #isWaking = false
  #wakeAgain = false

  /** Starts the process, which loads its modules and waits for {@link start}. */
  constructor() {
    // In its own process group, so that Ctrl-C on the terminal does not reach it: this process
    // stops it in order.
    this.#child = fork(PROGRAM, {
      detached: true,
      execArgv: [...process.execArgv, ...HEAP_FLAGS],
      serialization: 'advanced',
    })
    this.#child.on('message', (message: FromPipeline) => this.#receive(message))
    this.#child.once('error', error => this.#ended.resolve(error.message))
    this.#child.once('exit', (code, signal) => this.#ended.resolve(signal ?? `exit code ${code}`))
    process.once('exit', () => this.#child.kill('SIGKILL'))
    this.failed = this.#ended.promise.then(async how => {
      if (this.#isStopping) await new Promise(() => undefined)
      throw new PipelineEnded(
        `the process of dispatcher and worker (pid ${this.#child.pid}) has ended unexpectedly (${how}), so everything stops; all committed data is on disk, and the next start continues with it`,
      )
    })
    this.failed.catch(() => undefined)
  }

  /** Starts dispatcher and worker. @throws PipelineEnded */
  async start(config: Config, url: string): Promise<this> {
    this.#send({ type: 'start', config: { ...config, DATABASE_URL: url } })
    await Promise.race([this.#started.promise, this.failed])
    return this
  }

  /**
   * Wakes the dispatcher without a NOTIFY. Calls while a message is on its way are combined into
   * one, so that no queue grows when the child hangs.
   */
  wake(): void {
    this.#wakeAgain = this.#isWaking
    if (this.#isWaking) return
    this.#isWaking = true
    this.#send({ type: 'wake' }, () => {
      this.#isWaking = false
      if (this.#wakeAgain) this.wake()
    })
  }

  async readiness(): Promise<CheckResult[]> {
    const results = await this.#ask('readiness')
    const result = results ? 'ok' : 'the process of dispatcher and worker does not answer'
    return [{ name: 'pipeline', advisory: false, result }, ...(results ?? [])]
  }

  async metrics(): Promise<ForeignMetrics> {
    return (await this.#ask('metrics')) ?? []
  }

  drain(): void {
    this.#send({ type: 'drain' })
  }

  /** @throws when the process ends otherwise than by this stop */
  async stop(budgetMs: number): Promise<void> {
    if (!this.#child.connected) return
    this.#isStopping = true
    this.#send({ type: 'stop', budgetMs })
    const how = await this.#ended.promise
    if (how !== 'exit code 0') throw new Error(`the process of dispatcher and worker ended by ${how}`)
  }

  /** @returns undefined when the child does not answer in time */
  async #ask<Name extends keyof Reports>(name: Name): Promise<Reports[Name] | undefined> {
    const asked = this.#asked.get(name) ?? Promise.withResolvers()
    if (!this.#asked.has(name)) this.#send({ type: name })
    this.#asked.set(name, asked)
    const timeout = delay(REPORT_TIMEOUT_MS, undefined, { ref: false })
    return (await Promise.race([asked.promise, timeout])) as Reports[Name] | undefined
  }

  #receive(message: FromPipeline): void {
    if (message.type === 'started') return this.#started.resolve()
    this.#asked.get(message.type)?.resolve(message.report)
    this.#asked.delete(message.type)
  }

  /** A message that cannot be sent is dropped: the process has then ended, see {@link failed}. */
  #send(message: ToPipeline, sent: () => void = () => undefined): void {
    this.#child.send(message, () => sent())
  }
}
