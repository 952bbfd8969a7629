import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

/** Files that the server deletes or replaces while they are copied. */
const VANISHED = /No such file or directory|file vanished/

/**
 * Copies the data folder of a running server. The npm package of PostgreSQL has no pg_basebackup,
 * which does the same over the network. The copy is consistent only after the WAL since its start
 * has been replayed, which the file `backup_label` makes the server do.
 * @param target folder to create, with the owner and mode of the data folder
 */
export async function takeBaseBackup(url: string, dataFolder: string, target: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('base backup', true)`)
    await copyFolder(dataFolder, target)
    // Waits until the WAL that the backup needs is in the archive, if there is one.
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop()')
    await rm(join(target, 'postmaster.pid'), { force: true })
    await writeAsServer(target, 'backup_label', rows[0]?.labelfile ?? '')
  } finally {
    await client.end()
  }
}

/** Writes a file into a data folder, with the owner of that folder. */
export async function writeAsServer(dataFolder: string, name: string, content: string): Promise<void> {
  const file = join(dataFolder, name)
  await writeFile(file, content)
  await run('chown', ['--reference', dataFolder, file])
}

/** Copies a folder with owners and modes. Files may vanish or grow meanwhile. */
export async function copyFolder(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', from, to], { env: { ...process.env, LC_ALL: 'C' } })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const failures = stderr.split('\n').filter(line => line !== '' && !VANISHED.test(line))
    if (stderr === '' || failures.length > 0) throw error
  }
}
