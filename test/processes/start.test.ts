import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import pg from 'pg'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren, startChild } from '../support/child.ts'
import { canMountDisks, mountDisk } from '../support/limited-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

interface Running {
  child: Child
  api: ApiClient
  dataFolder: string
}

/** A data folder that was in use, with an item of which 5 are available. */
interface UsedBefore {
  dataDir: string
  restaurant_id: string
  menu_item_id: string
  /** content of `postmaster.pid` while the server ran */
  pidFile: string
}

describe('npm start', () => {
  const folders: string[] = []
  /** Empty at the beginning of each test. */
  let folder: string
  let usedBefore: UsedBefore | undefined

  function newFolder(): string {
    const created = temporaryFolder()
    folders.push(created)
    return created
  }

  beforeEach(() => {
    folder = newFolder()
  })
  afterEach(killChildren)
  after(() => {
    for (const each of folders) rmSync(each, { recursive: true, force: true })
  })

  async function start(dataDir: string, env: Record<string, string> = {}): Promise<Running> {
    const child = startChild(['src/main.ts', 'all'], { PORT: '0', DATA_DIR: dataDir, ...env })
    const [, url = ''] = await child.untilOutput(/API +(http:\S+)\/api\/v1/)
    const [, dataFolder = ''] = await child.untilOutput(/embedded PostgreSQL 18 in (\S+)/)
    await child.untilOutput(/all is ready/)
    return { child, api: new ApiClient(url), dataFolder }
  }

  async function stop({ child }: Running): Promise<void> {
    child.signal('SIGINT')
    expect(await child.ended, child.output() + child.errors()).to.equal(0)
  }

  /** Starts and stops once. */
  async function useOnce(dataDir: string): Promise<UsedBefore> {
    const running = await start(dataDir)
    const { restaurant_id } = await running.api.addRestaurant()
    const { menu_item_id } = await running.api.addItem(restaurant_id, 5)
    const pidFile = readFileSync(join(running.dataFolder, 'postmaster.pid'), 'utf8')
    await stop(running)
    return { dataDir, restaurant_id, menu_item_id, pidFile }
  }

  /**
   * Fills a folder with a copy of a data folder that was in use and was stopped, because creating
   * and migrating a database takes longer than copying it.
   */
  async function fill(dataDir: string): Promise<UsedBefore> {
    usedBefore ??= await useOnce(newFolder())
    execFileSync('cp', ['-a', `${usedBefore.dataDir}/.`, dataDir])
    return { ...usedBefore, dataDir, pidFile: usedBefore.pidFile.replace(usedBefore.dataDir, dataDir) }
  }

  const isUp = (dataFolder: string) => existsSync(join(dataFolder, 'postmaster.pid'))

  it('serves a demo menu from an empty folder, prints its URLs, and leaves no process behind', async () => {
    const running = await start(folder)
    expect(running.child.output()).to.contain('/docs').and.contain('curl -s').and.contain('npm run sql')
    expect(running.child.output()).to.match(/Comanda is running\.\s+Board +http:\S+\/board\n/)
    expect((await running.api.call('GET', '/session')).body).to.include({ demo: true })
    const { status } = await running.api.order(demoIds.order)
    expect(status).to.be.oneOf(['PLACED', 'PREPARING'])
    await running.child.untilOutput(/^\d\d:\d\d:\d\d worker {5}\S{4} order\.prepare +PLACED → PREPARING$/m)

    const urlFile = join(folder, 'database.url')
    expect(statSync(urlFile).mode & 0o777).to.equal(0o600)
    const client = new pg.Client({ connectionString: readFileSync(urlFile, 'utf8').trim() })
    await client.connect()
    await client.query('select 1')
    await client.end()

    await stop(running)
    expect(existsSync(urlFile)).to.equal(false)
    expect(isUp(running.dataFolder)).to.equal(false)
  })

  it('finds its data again after a restart, and adds no second demo menu', async () => {
    const { menu_item_id } = await fill(folder)
    const second = await start(folder)
    expect((await second.api.item(menu_item_id)).available_qty).to.equal(5)
    expect(second.child.output()).to.not.contain('a demo menu is in it')
    const restaurants = await second.api.call<object[]>('GET', '/api/v1/restaurants')
    expect(restaurants.body).to.have.length(2)
    await stop(second)
  })

  it('leaves no database behind when it is killed, and finds its data again', async () => {
    await fill(folder)
    const first = await start(folder)
    const { restaurant_id } = await first.api.addRestaurant()
    const { menu_item_id } = await first.api.addItem(restaurant_id, 5)
    first.child.signal('SIGKILL')
    expect(await first.child.ended).to.equal('SIGKILL')
    await until('the database has stopped', () => !isUp(first.dataFolder))
    await until('its connection string is deleted', () => !existsSync(join(folder, 'database.url')))
    const second = await start(folder)
    expect((await second.api.item(menu_item_id)).available_qty).to.equal(5)
    await stop(second)
  })

  it('starts at once after it was killed, while its database may still be stopping', async () => {
    await fill(folder)
    const first = await start(folder)
    first.child.signal('SIGKILL')
    await first.child.ended
    const second = await start(folder)
    await second.api.addRestaurant()
    await stop(second)
    expect(isUp(second.dataFolder)).to.equal(false)
  })

  it('keeps the database for a second run in the same folder when the first run is killed', async () => {
    await fill(folder)
    const first = await start(folder)
    const second = await start(folder)
    first.child.signal('SIGKILL')
    await first.child.ended
    await second.api.addRestaurant()
    await stop(second)
    expect(isUp(second.dataFolder)).to.equal(false)
  })

  it('stops within its budget while a job waits for a lock, and stops the database', async () => {
    const { restaurant_id, menu_item_id } = await fill(folder)
    const running = await start(folder, { SHUTDOWN_TIMEOUT_MS: '5000', DATABASE_TIMEOUT_MS: '60000' })
    const url = readFileSync(join(folder, 'database.url'), 'utf8').trim()
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined)
    await client.connect()
    await client.query('begin')
    await client.query('select from menu_items where menu_item_id = $1 for no key update', [menu_item_id])
    await running.api.place(restaurant_id, [menu_item_id, 1])
    await until('the job waits for the lock', async () => {
      const { rows } = await client.query(`select from pg_stat_activity where wait_event_type = 'Lock'`)
      return rows.length > 0
    })
    await stop(running)
    expect(isUp(running.dataFolder)).to.equal(false)
  })

  it('stops with its database when npm alone is terminated', async () => {
    await fill(folder)
    const npm = spawn('npm', ['start'], {
      cwd: join(import.meta.dirname, '..', '..'),
      env: { ...process.env, PORT: '0', DATA_DIR: folder, DATABASE_URL: '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = ''
    npm.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await until('it is ready', () => output.includes('all is ready'))
    const [, dataFolder = ''] = /embedded PostgreSQL 18 in (\S+)/.exec(output) ?? []
    expect(isUp(dataFolder)).to.equal(true)
    npm.kill('SIGTERM')
    // Node holds the standard output until it ends.
    await new Promise(done => npm.stdout.once('close', done))
    expect(output)
      .to.contain('npm, which started this process, has ended')
      .and.match(/stopped/)
    expect(isUp(dataFolder)).to.equal(false)
  })

  it('stops everything after a signal during the start', async () => {
    const child = startChild(['src/main.ts', 'all'], { PORT: '0', DATA_DIR: folder })
    await until('the database is up', () => existsSync(join(folder, 'database.url')))
    child.signal('SIGINT')
    expect(await child.ended, child.errors()).to.equal(0)
    expect(isUp(join(folder, 'postgres'))).to.equal(false)
  })

  it('prints one line if PORT is taken, and leaves no process behind', async () => {
    const other = createServer()
    await new Promise<void>(done => other.listen(0, '127.0.0.1', done))
    const { port } = other.address() as { port: number }
    await fill(folder)
    const child = startChild(['src/main.ts', 'all'], { PORT: String(port), DATA_DIR: folder })
    expect(await child.ended).to.equal(1)
    expect(child.errors()).to.match(new RegExp(`^comanda: PORT: ${port} on 127.0.0.1 is taken[^\\n]*\\n$`))
    expect(existsSync(join(folder, 'database.url'))).to.equal(false)
    await new Promise(done => other.close(done))
  })

  it('can run twice at once in two folders', async () => {
    const folders = [folder, newFolder()] as const
    for (const each of folders) await fill(each)
    const [one, two] = await Promise.all([start(folders[0]), start(folders[1])])
    const { restaurant_id } = await one.api.addRestaurant()
    const reply = await two.api.call('POST', `/api/v1/inventory/add/${restaurant_id}/item`, {
      name: 'x',
      available_qty: 1,
    })
    expect(reply.status).to.equal(404)
    await Promise.all([stop(one), stop(two)])
  })

  it('shares its database with a second run in the same folder until the last one stops', async () => {
    await fill(folder)
    const first = await start(folder)
    const second = await start(folder)
    await stop(first)
    expect(isUp(second.dataFolder)).to.equal(true)
    await second.api.addRestaurant()
    await stop(second)
    expect(isUp(second.dataFolder)).to.equal(false)
  })

  it('works below a folder that only its owner can enter', async () => {
    const hidden = join(folder, 'home')
    mkdirSync(hidden, { mode: 0o700 })
    chmodSync(hidden, 0o700)
    const first = await start(join(hidden, 'data'))
    const { restaurant_id } = await first.api.addRestaurant()
    await stop(first)
    const second = await start(join(hidden, 'data'))
    expect(second.dataFolder).to.equal(first.dataFolder)
    await second.api.addItem(restaurant_id, 1)
    await stop(second)
    if (!second.dataFolder.startsWith(folder)) rmSync(second.dataFolder, { recursive: true })
  })

  it('prints one line if it cannot create its folder', async () => {
    writeFileSync(join(folder, 'file'), '')
    const child = startChild(['src/main.ts', 'all'], { PORT: '0', DATA_DIR: join(folder, 'file', 'data') })
    expect(await child.ended).to.equal(1)
    expect(child.errors()).to.match(/^comanda: DATA_DIR: [^\n]*\n$/)
  })

  it('refuses the data of another PostgreSQL version', async () => {
    mkdirSync(join(folder, 'postgres'))
    writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '15\n')
    const child = startChild(['src/main.ts', 'all'], { PORT: '0', DATA_DIR: folder })
    expect(await child.ended).to.equal(1)
    expect(child.errors()).to.match(/^comanda: DATA_DIR: [^\n]* holds data of PostgreSQL 15[^\n]*\n$/)
  })

  describe('after a crash', () => {
    const pidFile = (dataFolder: string) => join(dataFolder, 'postmaster.pid')

    /** Writes a file as the account of the server, as the server itself would have. */
    function leaveBehind(dataFolder: string, content: string): void {
      const { uid, gid } = statSync(dataFolder)
      writeFileSync(pidFile(dataFolder), content, { mode: 0o600 })
      chownSync(pidFile(dataFolder), uid, gid)
    }

    it('starts beside a postmaster.pid that names a living process of another program', async () => {
      const { pidFile: content } = await fill(folder)
      const dataFolder = join(folder, 'postgres')
      const { uid, gid } = statSync(dataFolder)
      const foreign = spawn('sleep', ['600'], { uid, gid, cwd: '/' })
      try {
        leaveBehind(dataFolder, content.replace(/^\d+/, String(foreign.pid)))
        await stop(await start(folder))
        expect(foreign.exitCode).to.equal(null)
      } finally {
        foreign.kill()
      }
    })

    it('starts beside an empty postmaster.pid', async () => {
      await fill(folder)
      leaveBehind(join(folder, 'postgres'), '')
      await stop(await start(folder))
    })

    it('prints one line with the file and the process if its server runs but does not answer', async () => {
      await fill(folder)
      const first = await start(folder)
      const pid = Number(readFileSync(pidFile(first.dataFolder), 'utf8').split('\n', 1)[0])
      process.kill(pid, 'SIGSTOP')
      try {
        first.child.signal('SIGKILL')
        await first.child.ended
        const child = startChild(['src/main.ts', 'all'], { PORT: '0', DATA_DIR: folder })
        expect(await child.ended).to.equal(1)
        expect(child.errors()).to.match(
          new RegExp(`^comanda: DATA_DIR: \\S+/postmaster.pid names process ${pid}, [^\\n]*\\n$`),
        )
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await stop(await start(folder))
    })

    it('ends with one line when its server is killed, and recovers at the next start', async () => {
      await fill(folder)
      const { child, api, dataFolder } = await start(folder)
      const { restaurant_id } = await api.addRestaurant()
      const { menu_item_id } = await api.addItem(restaurant_id, 5)
      process.kill(Number(readFileSync(pidFile(dataFolder), 'utf8').split('\n', 1)[0]), 'SIGKILL')
      expect(await child.ended).to.equal(1)
      expect(child.errors()).to.match(
        /^comanda: DATA_DIR: the embedded PostgreSQL in \S+ has ended: [^\n]*\n$/,
      )
      const second = await start(folder)
      expect((await second.api.item(menu_item_id)).available_qty).to.equal(5)
      await stop(second)
    })
  })

  if (canMountDisks()) {
    it('prints one line while the disk is full, and starts once it has free space', async () => {
      const disk = mountDisk(folder, 20)
      async function endsWithOneLine(): Promise<void> {
        const child = startChild(['src/main.ts', 'all'], {
          PORT: '0',
          DATA_DIR: folder,
          DATABASE_WAIT_MS: '0',
        })
        expect(await child.ended, child.output()).to.equal(1)
        expect(child.errors()).to.match(/^comanda: [^\n]*(disk is full|No space left)[^\n]*\n$/)
      }
      try {
        await endsWithOneLine()
        disk.fill()
        await endsWithOneLine()
        disk.resize(400)
        await stop(await start(folder))
        disk.fill()
        await endsWithOneLine()
        disk.resize(400)
        await stop(await start(folder))
      } finally {
        disk.unmount()
      }
    })
  }
})
