import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = import.meta.dirname
const modules = join(folder, 'node_modules')
/** The browser is unpacked here, not in the folder for temporary files that all users share. */
const unpacked = join(modules, '.chromium')

export interface InstalledBrowser {
  executable: string
  /** libraries that a small system lacks; undefined with a browser of the system */
  libraries: string | undefined
}

/**
 * Installs the packages of test/browser, unless they are there already, and returns the browser:
 * the one that `CHROMIUM` names, or the one of the package @sparticuz/chromium.
 * @returns why there is none, in words
 */
export function installBrowser(): InstalledBrowser | string {
  const hasPacked = process.platform === 'linux' && process.arch === 'x64'
  const own = process.env['CHROMIUM']
  if (own && !statSync(own, { throwIfNoEntry: false })?.isFile())
    return `CHROMIUM names ${own}, which is no file`
  if (!own && !hasPacked)
    return `there is no packed Chromium for ${process.platform} ${process.arch}; CHROMIUM can name one`
  try {
    return install()
  } catch (error) {
    return `its packages cannot be installed (${String(error)})`
  }
}

function install(): InstalledBrowser {
  const stamp = join(modules, '.comanda-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    console.error('comanda: installing the browser of the tests (only when its lockfile has changed) …')
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      stdio: ['ignore', 2, 'inherit'],
      shell: process.platform === 'win32',
    })
    writeFileSync(stamp, lock)
  }
  const own = process.env['CHROMIUM']
  return own ? { executable: own, libraries: undefined } : unpack()
}

/** The package unpacks libraries only where it believes to be in the cloud that it was made for. */
const unpackProgram = `
  import chromium from '@sparticuz/chromium'
  await chromium.executablePath()
`

function unpack(): InstalledBrowser {
  const executable = join(unpacked, 'chromium')
  if (!existsSync(executable)) {
    mkdirSync(unpacked, { recursive: true })
    execFileSync(process.execPath, ['--input-type=module', '--eval', unpackProgram], {
      cwd: folder,
      env: { ...process.env, TMPDIR: unpacked, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' },
      stdio: ['ignore', 2, 'inherit'],
    })
  }
  return { executable, libraries: join(unpacked, 'al2023', 'lib') }
}

// `npm test` installs before it checks the types of the tests.
if (import.meta.main) {
  const browser = installBrowser()
  if (typeof browser === 'string') console.error(`The browser tests are skipped: ${browser}`)
}
