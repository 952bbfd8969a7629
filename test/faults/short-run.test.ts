import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { expect } from 'chai'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { faults } from './faults.ts'
import { runFaults } from './run-faults.ts'

/** `FAULTS_SEED` repeats a run. `npm run test:faults` runs all faults. */
const seed = Number(process.env['FAULTS_SEED'] ?? randomInt(1_000_000_000))

const CHOSEN = [
  'kill-api',
  'kill-dispatcher',
  'trap-dispatcher.jobs-inserted',
  'trap-worker.after-commit',
  'terminate-backends',
  'kill-postgres',
  'rolling-restart',
  'hot-item',
]

describe('two APIs, two dispatchers and three workers', () => {
  it(`lose and duplicate nothing during eight faults (FAULTS_SEED=${seed})`, async function () {
    this.timeout(400_000)
    const folder = temporaryFolder()
    const chosen = faults.filter(({ name }) => CHOSEN.includes(name))
    const progress: string[] = []
    const { results, violations } = await runFaults({
      seed,
      faults: chosen,
      untilMs: 0,
      folder,
      onProgress: line => progress.push(line),
    })
    const failures = results.flatMap(({ lost, duplicated, violations }) => [
      ...lost,
      ...duplicated,
      ...violations,
    ])
    expect([...failures, ...violations], progress.join('\n')).to.deep.equal([])
    expect(results.map(({ fault }) => fault)).to.have.members(CHOSEN)
    expect(
      results.every(({ acknowledged }) => acknowledged > 0),
      progress.join('\n'),
    ).to.equal(true)
    rmSync(folder, { recursive: true, force: true })
  })
})
