import { expect } from 'chai'
import { settingsFor } from '../../src/db/embedded/server-settings.ts'

describe('the settings of the embedded server', () => {
  const sized = (memoryMb: number, freeDiskMb: number) => {
    const { shared_buffers, max_wal_size, min_wal_size } = settingsFor({ memoryMb, freeDiskMb })
    return [shared_buffers, max_wal_size, min_wal_size]
  }

  it('take an eighth of the memory and a tenth of the free disk space', () => {
    expect(sized(4_096, 20_480)).to.deep.equal(['512MB', '2048MB', '512MB'])
    expect(sized(4_097.3, 20_487.9)).to.deep.equal(['512MB', '2048MB', '512MB'])
  })

  it('stay useful on a small machine and modest on a large one', () => {
    expect(sized(512, 0)).to.deep.equal(['128MB', '256MB', '64MB'])
    expect(sized(262_144, 4_000_000)).to.deep.equal(['1024MB', '4096MB', '1024MB'])
  })
})
