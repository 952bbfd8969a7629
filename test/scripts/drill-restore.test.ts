import { expect } from 'chai'
import { spawnScript } from './spawn-script.ts'

describe('npm run drill:restore', () => {
  it('restores to a time at which orders were placed: exactly, with clean invariants, and working on', async () => {
    const { status, stdout, stderr } = await spawnScript('drill-restore', ['--seconds', '0.3']).ended
    expect(status, stdout + stderr).to.equal(0)
    expect(stdout).to.match(/[1-9]\d* steps of orders, [1-9]\d* stock movements/)
    expect(stdout).to.match(/[1-9]\d* orders are to be placed again/)
    expect(stdout).to.match(/RTO: \d+\.\d s until the restored server accepts writes/)
    expect(stdout).to.match(/RPO of the loss of the server: \d+\.\d s, \d+ of [1-9]\d* accepted orders/)
  })
})
