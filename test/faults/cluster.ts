import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'

export type Role = 'api' | 'dispatcher' | 'worker'

/** Processes per role. */
const counts: Record<Role, number> = { api: 2, dispatcher: 2, worker: 3 }

const ROOT = join(import.meta.dirname, '..', '..')
const RESTART_MS = 300
const START_TIMEOUT_MS = 120_000
const POLL_MS = 20

/** One supervised process. A restart replaces `child` and keeps the rest. */
export interface Member {
  role: Role
  index: number
  /** listening port of an API, else 0 */
  port: number
  child: ChildProcess | undefined
  /** whether clients send requests to this API, as through a load balancer */
  inRotation: boolean
  /** the suite ends this process, so its exit is not a crash */
  expectedToEnd: boolean
  /** `FAILPOINTS` of the next start */
  failpoints: string
  /** how often a failpoint has killed this process */
  failpointKills: number
  /** additional environment variables of the next starts */
  env: Record<string, string>
  /** called with the output of the process */
  onOutput: (output: string) => void
}

/** All roles as processes. Each is started again when it exits, as an orchestrator would do. */
export class Cluster {
  readonly members: Member[] = []
  /** processes that exited although the suite did not end them */
  readonly crashes: string[] = []
  readonly #databaseUrl: string
  readonly #log: WriteStream
  #stopping = false

  constructor(databaseUrl: string, logFile: string) {
    this.#databaseUrl = databaseUrl
    this.#log = createWriteStream(logFile)
  }

  async start(): Promise<void> {
    for (const [role, count] of Object.entries(counts) as [Role, number][]) {
      for (let index = 0; index < count; index++) {
        const port = role === 'api' ? await freePort() : 0
        this.members.push({
          role,
          index,
          port,
          child: undefined,
          inRotation: false,
          expectedToEnd: false,
          failpoints: '',
          failpointKills: 0,
          env: {},
          onOutput: () => undefined,
        })
      }
    }
    for (const member of this.members) this.#spawn(member)
    await Promise.all(this.members.map(member => this.untilReady(member)))
  }

  of(role: Role): Member[] {
    return this.members.filter(member => member.role === role)
  }

  /** Sends SIGKILL. The supervisor starts the process again. */
  kill(member: Member): void {
    member.expectedToEnd = true
    member.inRotation = false
    member.child?.kill('SIGKILL')
  }

  /**
   * Takes a process out of rotation, sends SIGTERM and waits until its successor is ready. With
   * failpoints it does not wait: the successor may die before it is ready.
   * @returns the exit code
   */
  async restart(member: Member, failpoints = ''): Promise<number | null> {
    member.inRotation = false
    member.expectedToEnd = true
    member.failpoints = failpoints
    const { child } = member
    const isOver = !child || child.exitCode !== null || child.signalCode !== null
    const ended = new Promise<number | null>(done => child?.once('exit', code => done(code)))
    child?.kill('SIGTERM')
    const code = isOver ? null : await ended
    if (failpoints === '') await this.untilReady(member)
    return code
  }

  async untilReady(member: Member): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!this.#stopping && !(await isReady(member))) {
      if (Date.now() > deadline) throw new Error(`${member.role} ${member.index} did not become ready`)
      await delay(POLL_MS)
    }
    member.inRotation = true
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(
      this.members.map(async ({ child }) => {
        if (!child || child.exitCode !== null || child.signalCode !== null) return
        const ended = new Promise(done => child.once('exit', done))
        child.kill('SIGCONT')
        child.kill('SIGTERM')
        await ended
      }),
    )
    this.#log.end()
  }

  /**
   * Starts the process again, and puts it into rotation once it is ready and still the current one.
   */
  async #spawnAgain(member: Member): Promise<void> {
    if (this.#stopping) return
    this.#spawn(member)
    const { child } = member
    while (!this.#stopping && member.child === child && !(await isReady(member))) await delay(POLL_MS)
    if (member.child === child) member.inRotation = true
  }

  #spawn(member: Member): void {
    const { role, index, port, failpoints, env } = member
    const child = spawn(process.execPath, ['--import', './src/compile-cache.js', 'src/main.ts', role], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: this.#databaseUrl,
        ...(role === 'api' ? { OPERATIONS_DATABASE_URL: this.#databaseUrl } : {}),
        PORT: String(port),
        LOG_LEVEL: 'info',
        FAILPOINTS: failpoints,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    member.child = child
    member.expectedToEnd = false
    // A failpoint applies to one process: the next one starts without it.
    member.failpoints = ''
    const tag = `${role}-${index} `
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        const output = chunk.toString()
        this.#log.write(output.replaceAll(/^(?=.)/gm, tag))
        member.onOutput(output)
      })
    }
    let isUp = false
    child.stdout.on('data', (chunk: Buffer) => (isUp ||= chunk.includes('is ready')))
    Object.defineProperty(child, 'isUp', { get: () => isUp })
    child.once('exit', (code, signal) => {
      member.inRotation = false
      const diedAtFailpoint = !member.expectedToEnd && failpoints.includes('=kill') && signal === 'SIGKILL'
      if (diedAtFailpoint) member.failpointKills++
      // A process that exits before it is ready lost the database during its start: not a crash.
      else if (!member.expectedToEnd && isUp && !this.#stopping)
        this.crashes.push(`${role} ${index} exited unexpectedly (${code ?? signal})`)
      if (!this.#stopping) setTimeout(() => void this.#spawnAgain(member), RESTART_MS)
    })
  }
}

async function isReady({ role, port, child }: Member): Promise<boolean> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return false
  if (role !== 'api') return (child as ChildProcess & { isUp?: boolean }).isUp === true
  return await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  )
}
