import { expect } from 'chai'
import { newId } from '../../src/platform/ids.ts'
import { ORDER_CODE, orderCode } from '../../src/platform/order-code.ts'
import { openTestDatabase } from '../support/system.ts'

describe('the code of an order', () => {
  let close: () => Promise<void>
  // newId() needs the clock of a database.
  before(async () => {
    ;({ close } = await openTestDatabase())
  })
  after(() => close())

  it('is Crockford base 32 of the 20 bits above the last 12 of the id', () => {
    expect(orderCode('019a0000-0000-7000-8000-00003cc77001')).to.equal('7K3Q')
    expect(orderCode('019a0000-0000-7000-8000-000000000fff')).to.equal('0000')
    expect(orderCode('019A0000-0000-7000-8000-FFFFFFFFF000')).to.equal('ZZZZ')
    expect(orderCode('019a0000-0000-7000-8000-000000001000')).to.equal('0001')
  })

  it('differs between orders that are placed one after the other', () => {
    const codes = Array.from({ length: 100 }, () => orderCode(newId()))
    for (const code of codes) expect(code).to.match(ORDER_CODE)
    expect(new Set(codes).size).to.be.above(95)
  })
})
