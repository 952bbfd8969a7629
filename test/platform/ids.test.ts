import { expect } from 'chai'
import { validate, version } from 'uuid'
import { newId } from '../../src/platform/ids.ts'

describe('ids', () => {
  it('are unique UUIDs of version 7 that ascend', () => {
    const ids = Array.from({ length: 20_000 }, () => newId())
    expect(ids.every(id => validate(id) && version(id) === 7)).to.equal(true)
    expect(ids.toSorted()).to.deep.equal(ids)
    expect(new Set(ids).size).to.equal(ids.length)
  })

  it('contain the time', () => {
    const before = Date.now()
    const ms = Number.parseInt(newId().replace('-', '').slice(0, 12), 16)
    expect(ms).to.be.within(before, Date.now())
  })
})
