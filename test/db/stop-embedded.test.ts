import { rmSync } from 'node:fs'
import { expect } from 'chai'
import { startEmbedded } from '../../src/db/embedded/postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('the embedded PostgreSQL', () => {
  it('is stopped by all of its processes at the same time, without an error in any', async () => {
    const folder = temporaryFolder('embedded')
    try {
      const first = await startEmbedded(folder, { fsync: 'off' })
      const others = [await startEmbedded(folder), await startEmbedded(folder)]
      expect(others.map(({ adopted }) => adopted)).to.deep.equal([true, true])
      const stopped = await Promise.all([first, ...others].map(server => server.stop()))
      expect(stopped).to.deep.equal([true, true, true])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
