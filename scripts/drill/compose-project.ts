import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ScriptError } from '../support/script-error.ts'

const run = promisify(execFile)

const ROOT = join(import.meta.dirname, '..', '..')
const COMPOSE_FILES = ['docker-compose.yml', 'deploy/run-standby.sh']
const COMMAND_TIMEOUT_MS = 600_000
const OUTPUT_BYTES = 100_000_000
const SHOWN_LINES = 12

const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0

/** The plug-in, or the classic program. */
const COMPOSE = works('docker', 'compose', 'version') ? 'docker compose' : 'docker-compose'

/** @throws ScriptError naming what the drill needs and this machine lacks */
export function checkRequirements(commit: string): void {
  const [program = '', ...words] = COMPOSE.split(' ')
  const needs: [what: string, isThere: boolean][] = [
    ['a running Docker engine', works('docker', 'info')],
    ['Docker Compose', works(program, ...words, 'version')],
    ['nginx', works('nginx', '-v')],
    ['openssl', works('openssl', 'version')],
    ['curl', works('curl', '--version')],
    [`git with the commit ${commit}`, works('git', '-C', ROOT, 'cat-file', '-e', `${commit}^{commit}`)],
  ]
  const missing = needs.filter(([, isThere]) => !isThere).map(([what]) => what)
  if (missing.length > 0) throw new ScriptError(`the drill needs ${missing.join(', ')}`)
}

/** A folder with the files of a version, and the containers that Compose starts there. */
export class ComposeProject {
  readonly ports: [number, number]
  readonly folder = mkdtempSync(join(tmpdir(), 'comanda-deployment-'))
  readonly #name = `comanda-drill-${process.pid}`
  #settings: Record<string, string | number>

  private constructor(ports: [number, number], dashboard: number) {
    this.ports = ports
    this.#settings = {
      COMPOSE_PROJECT_NAME: this.#name,
      COMANDA_IMAGE: `comanda:drill-${process.pid}`,
      API_PORT: ports[0],
      API2_PORT: ports[1],
      DASHBOARD_PORT: dashboard,
    }
  }

  static async plan(): Promise<ComposeProject> {
    return new ComposeProject([await freePort(), await freePort()], await freePort())
  }

  /** Adds settings of the page to `.env`, which also has names and ports of the drill's own. */
  configure(settings: Record<string, string>): void {
    Object.assign(this.#settings, settings)
    const lines = Object.entries(this.#settings).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(this.folder, '.env'), lines.join(''))
  }

  /** The files of a commit, with this version's way to start them. */
  async checkOut(commit: string): Promise<void> {
    const archive = join(this.folder, 'archive.tar')
    await run('git', ['-C', ROOT, 'archive', '--output', archive, commit])
    await run('tar', ['-x', '-f', archive, '-C', this.folder])
    rmSync(archive)
    for (const file of COMPOSE_FILES) cpSync(join(ROOT, file), join(this.folder, file))
  }

  /** Replaces the files by those of this version, with changes that are not committed. */
  async checkOutThis(): Promise<void> {
    const args = ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
    const { stdout } = await run('git', args, { maxBuffer: OUTPUT_BYTES })
    for (const file of ['src', 'scripts', 'migrations', 'docs'])
      rmSync(join(this.folder, file), { recursive: true })
    for (const file of stdout.split('\0').filter(name => name !== '')) {
      const target = join(this.folder, file)
      mkdirSync(dirname(target), { recursive: true })
      cpSync(join(ROOT, file), target)
    }
  }

  /** Runs a command of the page with the drill's ports. @returns its output */
  async run(command: string): Promise<string> {
    const adapted = command
      .replaceAll('docker compose', COMPOSE)
      .replaceAll(':8000/', `:${this.ports[0]}/`)
      .replaceAll(':8001/', `:${this.ports[1]}/`)
    try {
      const options = { cwd: this.folder, timeout: COMMAND_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES }
      return (await run('sh', ['-c', adapted], options)).stdout
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      const lines = `${stdout}\n${stderr}`.trim().split('\n').slice(-SHOWN_LINES)
      throw new ScriptError(`\`${command}\` failed:\n${lines.join('\n')}`)
    }
  }

  /** Returns a property of each container of a service, e.g. `.State.ExitCode`. */
  async inspect(service: string, property: string): Promise<string[]> {
    const ids = (await this.run(`docker compose ps -q ${service}`)).trim().split('\n')
    const { stdout } = await run('docker', ['inspect', '--format', `{{${property}}}`, ...ids])
    return stdout.trim().split('\n')
  }

  /** Deletes containers, volumes, the image and the folder. */
  async delete(): Promise<void> {
    await this.run(
      'docker compose --profile dashboard --profile proxied --profile standby down -v --rmi local',
    ).catch(() => '')
    await run('docker', ['rmi', '-f', `comanda:drill-${process.pid}`]).catch(() => '')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Returns a port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise(done => server.close(done))
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}
