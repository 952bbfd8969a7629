// Runs a program of node_modules/.bin: `node scripts/run.js [--with-dev] PROGRAM ARGUMENT…`. Every
// npm script starts here, so that it works on a fresh clone: installs the dependencies if they are
// missing or if package-lock.json has changed. Development dependencies are installed for programs
// that are run with `--with-dev`, and are kept from then on. Plain JavaScript for Node 20, because
// it runs before there is a node_modules folder. The program then runs on Node 24, which npm's
// `node` package installs.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules', '.bin')
const isWindows = process.platform === 'win32'
const MIN_NODE = [22, 22]
const PARENT_POLL_MS = 200

const words = process.argv.slice(2)
const withDev = words[0] === '--with-dev'
ensureInstalled(withDev)
assertNodeVersion()
run(withDev ? words.slice(1) : words)

function ensureInstalled(needsDev) {
  const stamp = join(root, 'node_modules', '.comanda-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  // mocha stands for all development dependencies: npm installs all of them or none.
  const hasDev = existsSync(join(bin, 'mocha'))
  const isCurrent = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock
  if (isCurrent && (hasDev || !needsDev)) return
  // On stderr: the output of a script may be read by another program.
  console.error(
    isCurrent
      ? 'comanda: installing the development dependencies, too (only once) …'
      : 'comanda: installing dependencies (only when package-lock.json has changed) …',
  )
  // `npm ci` deletes all packages first, under an `npm start` that may be running.
  const install = isCurrent ? ['install', '--no-save'] : ['ci']
  const scope = needsDev || hasDev ? '--include=dev' : '--omit=dev'
  // Without the stamp, an installation that is interrupted is repeated.
  rmSync(stamp, { force: true })
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  const options = [...install, scope, '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync(command, [...args, ...options], {
    cwd: root,
    stdio: ['inherit', 2, 'inherit'],
    shell: !npm && isWindows,
  })
  if (status !== 0) fail(`\`npm ${install.join(' ')}\` failed, see above`, status ?? 1)
  writeFileSync(stamp, lock)
}

/**
 * Where npm's `node` package has no build for the platform, the Node of the system must be new
 * enough.
 */
function assertNodeVersion() {
  const local = join(bin, 'node')
  const version = existsSync(local)
    ? execFileSync(local, ['--version'], { encoding: 'utf8' }).trim()
    : process.version
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return
  fail(`Node ${MIN_NODE.join('.')} or newer is required, but this is ${version}`, 1)
}

/**
 * Replaces this process by the program, so that signals, exit status and terminal are those of the
 * program.
 */
function run([program, ...args]) {
  const local = join(bin, program)
  const file = existsSync(local) ? local : program === 'node' ? process.execPath : program
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }
  if (process.execve && !isWindows && file.startsWith('/')) process.execve(file, [program, ...args], env)

  // Node 20 and Windows cannot replace the process. Signals are passed on, except a Ctrl-C: the
  // terminal sends it to the program itself.
  const child = spawn(file, args, { env, stdio: 'inherit', shell: isWindows })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  // npm sends signals to the shell that runs the script. The shell ends without passing them on.
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    child.kill('SIGTERM')
  }, PARENT_POLL_MS)
  child.on('error', error => fail(error.message, 1))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function fail(message, status) {
  console.error(`comanda: ${message}`)
  process.exit(status)
}
