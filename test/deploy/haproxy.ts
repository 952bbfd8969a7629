import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isListening } from '../support/is-listening.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

export const HAPROXY_FILE = join(import.meta.dirname, '..', '..', 'deploy', 'haproxy.cfg')

/** Debian has haproxy in the package of this name; .ci/run installs it. */
const programs = ['haproxy', '/usr/sbin/haproxy']
const program = programs.find(name => spawnSync(name, ['-v']).error === undefined)

export const hasHaproxy = program !== undefined

/** Runs `haproxy -c`. @returns exit status and output */
export function checkHaproxy(file: string): [number | null, string] {
  const { status, stdout, stderr } = spawnSync(program ?? '', ['-c', '-f', file], { encoding: 'utf8' })
  return [status, stdout + stderr]
}

export interface HaproxyPorts {
  /** where HAProxy listens */
  postgres: number
  api: number
  /** servers of PostgreSQL, and of Patroni beside each */
  servers: { postgres: number; patroni: number }[]
  apis: number[]
}

/** Starts HAProxy with deploy/haproxy.cfg on these ports of 127.0.0.1. @returns how to stop it */
export async function startHaproxy(ports: HaproxyPorts): Promise<() => Promise<void>> {
  const folder = temporaryFolder('haproxy')
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, withPorts(readFileSync(HAPROXY_FILE, 'utf8'), ports))
  const child = spawn(program ?? '', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until('haproxy listens', async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended: ${output}`)
    return await isListening(ports.postgres)
  })
  return async () => {
    const ended = once(child, 'exit')
    child.kill('SIGUSR1')
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
}

function withPorts(configuration: string, ports: HaproxyPorts): string {
  const [first, second] = ports.servers
  const [template = ''] = /^ +server-template .*$/m.exec(configuration) ?? []
  const options = template.slice(template.indexOf(' check '))
  const apis = ports.apis.map((port, index) => `  server api${index + 1} 127.0.0.1:${port}${options}`)
  const servers = [first, second].map(
    (server, index) => `  server postgres${index + 1} 127.0.0.1:${server?.postgres} port ${server?.patroni}`,
  )
  return configuration
    .replaceAll(/^ +server postgres\d .*\n/gm, '')
    .replace(/^( +default-server .*) port 8008 (.*)$/m, `$1 $2\n${servers.join('\n')}`)
    .replace(template, apis.join('\n'))
    .replace('bind :5432', `bind 127.0.0.1:${ports.postgres}`)
    .replace('bind :8000', `bind 127.0.0.1:${ports.api}`)
    .replaceAll(' resolvers docker', '')
    .replaceAll(' init-addr none', '')
}
