import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'

export type Role = 'api' | 'dispatcher' | 'worker'

/** How many processes of each role run. */
const counts: Record<Role, number> = { api: 2, dispatcher: 2, worker: 3 }

const ROOT = join(import.meta.dirname, '..', '..')
const RESTART_MS = 300
const START_TIMEOUT_MS = 120_000
const POLL_MS = 20

/** One process under supervision. */
export interface Member {
  role: Role
  index: number
  /** of an API: where it listens */
  port: number
  child: ChildProcess | undefined
  /** whether a load balancer would send requests here */
  inRotation: boolean
  /** it is meant to end: that is no crash, whatever its exit code */
  expectedToEnd: boolean
  failpoints: string
  /** how often a process of its kind died at a failpoint */
  trapped: number
}

/** All roles as processes, each started again when it ends, as an orchestrator would. */
export class Cluster {
  readonly members: Member[] = []
  /** processes that ended without being told to */
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
          trapped: 0,
        })
      }
    }
    for (const member of this.members) this.#spawn(member)
    await Promise.all(this.members.map(member => this.untilReady(member)))
  }

  of(role: Role): Member[] {
    return this.members.filter(member => member.role === role)
  }

  /** Ends a process at once; it comes back by itself. */
  kill(member: Member): void {
    member.expectedToEnd = true
    member.inRotation = false
    member.child?.kill('SIGKILL')
  }

  /**
   * Takes a process out of rotation, lets it drain, and waits for its successor, unless that is set to fail: it may do so
   * before it is ready.
   * @returns its exit code
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
      if (Date.now() > deadline) throw new Error(`${member.role} ${member.index} does not become ready`)
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

  /** Back into rotation when it is ready; unless it ends before that, and another one comes. */
  async #spawnAgain(member: Member): Promise<void> {
    if (this.#stopping) return
    this.#spawn(member)
    const { child } = member
    while (!this.#stopping && member.child === child && !(await isReady(member))) await delay(POLL_MS)
    if (member.child === child) member.inRotation = true
  }

  #spawn(member: Member): void {
    const { role, index, port, failpoints } = member
    const child = spawn(process.execPath, ['src/main.ts', role], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: this.#databaseUrl,
        PORT: String(port),
        LOG_LEVEL: 'info',
        FAILPOINTS: failpoints,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    member.child = child
    member.expectedToEnd = false
    // A trap springs once: the next process of its kind starts without it.
    member.failpoints = ''
    const tag = `${role}-${index} `
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => this.#log.write(chunk.toString().replaceAll(/^(?=.)/gm, tag)))
    }
    let isUp = false
    child.stdout.on('data', (chunk: Buffer) => (isUp ||= chunk.includes('is ready')))
    Object.defineProperty(child, 'isUp', { get: () => isUp })
    child.once('exit', (code, signal) => {
      member.inRotation = false
      const wasTrapped = !member.expectedToEnd && failpoints.includes('=kill') && signal === 'SIGKILL'
      if (wasTrapped) member.trapped++
      // One that could not start, because the database went away meanwhile, says so and is started again.
      else if (!member.expectedToEnd && isUp && !this.#stopping)
        this.crashes.push(`${role} ${index} ended by itself (${code ?? signal})`)
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
