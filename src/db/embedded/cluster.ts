import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationError } from '../../platform/config.ts'
import { USER } from './connection.ts'
import { type EmbeddedPaths, runAsServer } from './paths.ts'

const MAJOR_VERSION = '18'

/** Writes a file that only its owner can read, whole or not at all. */
export function writePrivate(file: string, text: string): void {
  const unfinished = `${file}.unfinished-${process.pid}`
  try {
    writeFileSync(unfinished, text, { mode: 0o600 })
    chmodSync(unfinished, 0o600)
    renameSync(unfinished, file)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
}

export function readOrCreatePassword(file: string): string {
  if (!existsSync(file)) writePrivate(file, randomBytes(24).toString('hex'))
  return readFileSync(file, 'utf8').trim()
}

/**
 * Creates the data folder, unless it exists. initdb writes to a temporary folder that is then
 * renamed, so that an unfinished cluster is never used.
 * @throws ConfigurationError when the folder holds data of another major version
 */
export async function createCluster(paths: EmbeddedPaths, password: string): Promise<void> {
  const versionFile = join(paths.data, 'PG_VERSION')
  if (existsSync(versionFile)) {
    const version = readFileSync(versionFile, 'utf8').trim()
    if (version === MAJOR_VERSION) return
    throw new ConfigurationError(
      `DATA_DIR: ${paths.data} holds data of PostgreSQL ${version}, but this is PostgreSQL ${MAJOR_VERSION}; move it away, or choose another folder`,
    )
  }
  const unfinished = `${paths.data}.unfinished-${process.pid}`
  const passwordFile = `${unfinished}.password`
  try {
    mkdirSync(unfinished, { recursive: true, mode: 0o700 })
    writePrivate(passwordFile, password)
    for (const path of [unfinished, passwordFile]) paths.giveToServer(path)
    await runAsServer(paths, paths.initdb, [
      `--pgdata=${unfinished}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ])
    if (!existsSync(versionFile)) renameSync(unfinished, paths.data)
  } finally {
    for (const path of [unfinished, passwordFile]) rmSync(path, { recursive: true, force: true })
  }
}
