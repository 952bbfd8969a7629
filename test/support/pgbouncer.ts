import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

export const hasPgBouncer = spawnSync('pgbouncer', ['--version']).error === undefined

export interface PgBouncer {
  /** returns the URL of a database through PgBouncer, for one of the logins */
  through: (url: string) => string
  stop: () => Promise<void>
}

/** Starts PgBouncer in front of a server, for the logins of the given URLs. */
export async function startPgBouncer(
  mode: 'session' | 'transaction',
  logins: readonly string[],
): Promise<PgBouncer> {
  const folder = temporaryFolder()
  const port = await freePort()
  const urls = logins.map(url => new URL(url))
  const users = urls.map(({ username, password }) => `"${username}" "${password}"`)
  writeFileSync(join(folder, 'users.txt'), `${users.join('\n')}\n`)
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${urls[0]?.hostname} port=${urls[0]?.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, 'users.txt')}
pool_mode = ${mode}
default_pool_size = 40
logfile =
`,
  )
  for (const file of ['', 'users.txt', 'pgbouncer.ini'])
    chmodSync(join(folder, file), file === '' ? 0o755 : 0o644)
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn('pgbouncer', [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' })
  await until('PgBouncer listens', () => isListening(child, port))
  return {
    through: url => {
      const own = new URL(url)
      own.host = `127.0.0.1:${port}`
      return own.href
    },
    stop: async () => {
      const ended = new Promise(done => child.once('exit', done))
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function isListening(child: ChildProcess, port: number): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`)
  return await new Promise(done => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => done(true)).once('error', () => done(false))
    socket.once('connect', () => socket.destroy())
  })
}
