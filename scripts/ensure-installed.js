// Installs dependencies when they are missing or the lockfile has changed. Plain JavaScript on nothing but Node 20:
// it runs before there is a node_modules folder.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.comanda-lock')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const MIN_NODE = [22, 22]

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.log('comanda: installing dependencies (only when package-lock.json has changed) …')
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  const { status } = spawnSync(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
    shell: !npm && process.platform === 'win32',
  })
  if (status !== 0) {
    console.error('comanda: `npm ci` failed, see above')
    process.exit(status ?? 1)
  }
  writeFileSync(stamp, lock)
}

// npm's `node` package brings Node 24; where it has no build, the system's Node has to be new enough.
const local = join(root, 'node_modules', '.bin', 'node')
const version = existsSync(local)
  ? execFileSync(local, ['--version'], { encoding: 'utf8' }).trim()
  : process.version
const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
  console.error(
    `comanda: needs Node ${MIN_NODE.join('.')} or newer to run; this is ${version}, and npm had no newer one for this platform`,
  )
  process.exit(1)
}
