import { expect } from 'chai'
import { spawnScript } from './spawn-script.ts'

describe('npm run drill:deployment', () => {
  it('names everything that it needs in one sentence when it is missing, and exits with 1', async () => {
    const { status, stdout, stderr } = await spawnScript('drill-deployment', [], { PATH: '' }).ended
    expect([status, stdout]).to.deep.equal([1, ''])
    expect(stderr).to.match(
      /^comanda: the drill needs a running Docker engine, Docker Compose, nginx, openssl, curl, git with the commit [0-9a-f]{40}\n$/,
    )
  })
})
