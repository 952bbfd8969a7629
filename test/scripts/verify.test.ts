import { expect } from 'chai'
import { startSystem, type TestSystem } from '../support/system.ts'
import { spawnScript } from './spawn-script.ts'

describe('npm run verify', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())

  const env = () => ({ DATABASE_URL: system.url })

  it('finds that all invariants hold while orders are placed', async () => {
    const { api } = system
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 500)
    const placing = Promise.all(
      Array.from({ length: 300 }, () => api.place(restaurant_id, [menu_item_id, 1])),
    )
    const { status, stdout, stderr } = await spawnScript('verify', [], env()).ended
    await placing
    expect(status, stdout + stderr).to.equal(0)
    expect(stdout)
      .to.contain('All invariants hold.')
      .and.to.match(/ok +ops\.check_history/)
  })

  it('prints the violated invariant with its rows, and exits with 1', async () => {
    const { api, database } = system
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 5)
    await database.execute('update menu_items set available_qty = 4 where menu_item_id = $1', [menu_item_id])
    for (const args of [[], ['--watch']]) {
      const { status, stdout } = await spawnScript('verify', args, env()).ended
      expect(status).to.equal(1)
      expect(stdout)
        .to.match(/^1 of \d+ invariants is violated/m)
        .and.contain(menu_item_id)
      expect(stdout).to.match(/VIOLATED +ops\.check_stock_is_its_ledger +1 row /)
    }
  })
})
