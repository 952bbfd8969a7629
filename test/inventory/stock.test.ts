import { expect } from 'chai'
import fc from 'fast-check'
import { allocate, type Demand } from '../../src/inventory/stock.ts'

const line = (menu_item_id: string, quantity: number) => ({ menu_item_id, name: menu_item_id, quantity })

describe('allocating stock', () => {
  it('allocates the last portions to the first order', () => {
    const demands = ['first', 'second'].map(order_id => ({ order_id, items: [line('pizza', 2)] }))
    const [first, second] = allocate(demands, new Map([['pizza', 3]]))
    expect(first?.shortages).to.deep.equal([])
    expect(second?.shortages).to.deep.equal([
      { menu_item_id: 'pizza', name: 'pizza', requested_qty: 2, available_qty: 1 },
    ])
  })

  it('allocates nothing to an order with a shortage and leaves the stock to the next order', () => {
    const [greedy, modest] = allocate(
      [
        { order_id: 'greedy', items: [line('pizza', 1), line('wine', 5)] },
        { order_id: 'modest', items: [line('pizza', 1)] },
      ],
      new Map([
        ['pizza', 1],
        ['wine', 4],
      ]),
    )
    expect(greedy?.shortages.map(({ menu_item_id }) => menu_item_id)).to.deep.equal(['wine'])
    expect(modest?.shortages).to.deep.equal([])
  })

  it('never allocates more than is available and reports exactly the shortages', () => {
    const item = fc.constantFrom('a', 'b', 'c', 'd')
    const items = fc
      .uniqueArray(fc.record({ item, quantity: fc.integer({ min: 1, max: 5 }) }), {
        selector: ({ item }) => item,
        minLength: 1,
      })
      .map(lines => lines.map(({ item, quantity }) => line(item, quantity)))
    const demands = fc
      .array(items)
      .map(all => all.map((items, index): Demand => ({ order_id: String(index), items })))
    const available = fc
      .dictionary(item, fc.integer({ min: 0, max: 12 }))
      .map(stock => new Map(Object.entries(stock)))
    fc.assert(
      fc.property(demands, available, (demands, available) => {
        const remaining = new Map(available)
        for (const [index, { order_id, shortages }] of allocate(demands, available).entries()) {
          const demand = demands[index]
          expect(order_id).to.equal(demand?.order_id)
          const short = demand?.items.filter(
            ({ menu_item_id, quantity }) => (remaining.get(menu_item_id) ?? 0) < quantity,
          )
          expect(shortages.map(({ menu_item_id }) => menu_item_id)).to.deep.equal(
            short?.map(({ menu_item_id }) => menu_item_id),
          )
          if (shortages.length > 0) continue
          for (const { menu_item_id, quantity } of demand?.items ?? [])
            remaining.set(menu_item_id, (remaining.get(menu_item_id) ?? 0) - quantity)
        }
        for (const quantity of remaining.values()) expect(quantity).to.be.at.least(0)
      }),
    )
  })
})
