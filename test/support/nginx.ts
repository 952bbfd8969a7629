import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isListening } from './is-listening.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

/** Debian has nginx in the package nginx-light; .ci/run installs it. */
const programs = ['nginx', '/usr/sbin/nginx']
const program = programs.find(name => spawnSync(name, ['-v']).error === undefined)

export const hasNginx = program !== undefined

export interface Nginx {
  stop: () => Promise<void>
}

/**
 * Starts nginx as a reverse proxy.
 * @param locations the content of its only `server` block, besides `listen`
 */
export async function startNginx(port: number, locations: string): Promise<Nginx> {
  return await startConfiguredNginx(
    port,
    () => `
events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`,
  )
}

/**
 * Starts nginx with a whole configuration file, and waits until it listens on `port`.
 * @param configure returns the file; gets a folder for the files that it names
 */
export async function startConfiguredNginx(
  port: number,
  configure: (folder: string) => string,
): Promise<Nginx> {
  const folder = temporaryFolder('nginx')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${join(folder, name)};`,
  )
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configure(folder).replace('\nhttp {', `\nhttp {\n  ${paths.join('\n  ')}`))
  // Without a master process, nginx keeps its account and ends with its only process.
  const directives = `daemon off; master_process off; pid ${join(folder, 'nginx.pid')}; error_log stderr;`
  const child = spawn(program ?? '', ['-p', folder, '-e', 'stderr', '-c', file, '-g', directives], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await until('nginx listens', async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${errors}`)
    return await isListening(port)
  })
  return { stop: () => stop(child, folder) }
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
}
