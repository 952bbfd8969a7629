import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('npm run bench:streams', () => {
  it('delivers every event once to every stream that it belongs to', async () => {
    const folder = temporaryFolder()
    const json = join(folder, 'streams.json')
    const args = ['--streams', '24', '--rate', '40', '--seconds', '2', '--json', json]
    const { status, stdout, stderr } = await spawnScript('../test/bench/run-streams', args).ended
    expect(status, stdout + stderr).to.equal(0)
    const figures = JSON.parse(readFileSync(json, 'utf8')) as Record<string, number>
    rmSync(folder, { recursive: true })
    expect(figures).to.include({ orderStreams: 18, restaurantStreams: 6 })
    expect(figures['failures']).to.deep.equal([])
    expect(figures['events']).to.be.above(20)
    expect(figures['sent']).to.be.above(6 * (figures['events'] ?? 0))
    expect(stdout).to.match(/from commit to client: p50 \d+ ms/)
  })
})
