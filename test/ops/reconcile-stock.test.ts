import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { reconcileStock } from '../../src/ops/maintenance/reconcile-stock.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { addMenu, deduct, type Menu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

describe('reconcileStock', () => {
  let database: Database
  let close: () => Promise<void>
  let menu: Menu

  beforeEach(async () => {
    ;({ database, close } = await openTestDatabase())
    menu = await addMenu(database, 10, 20)
    await deduct(database, await place(database, menu, 2))
    await makeOld()
  })
  afterEach(() => close())

  /** Moves all stock movements ten minutes into the past. */
  async function makeOld(): Promise<void> {
    await database.execute(
      `update stock_movements set movement_id = uuidv7(interval '-10 minutes') where movement_id > uuidv7(interval '-5 minutes')`,
    )
  }

  const checkpoints = async () =>
    await database.query<{ ledger_qty: number }>(
      'select ledger_qty from stock_checkpoints order by menu_item_id',
    )

  it('finds no difference and advances the checkpoints while stock equals its ledger', async () => {
    expect(await reconcileStock(database, quiet)).to.deep.equal({ items: 2, differing: [] })
    expect(await checkpoints()).to.deep.equal([{ ledger_qty: 8 }, { ledger_qty: 18 }])
    await deduct(database, await place(database, menu, 3))
    await makeOld()
    expect(await reconcileStock(database, quiet)).to.deep.equal({ items: 2, differing: [] })
    expect(await checkpoints()).to.deep.equal([{ ledger_qty: 5 }, { ledger_qty: 15 }])
  })

  it('sums a ledger of any length in parts', async () => {
    for (let count = 0; count < 4; count++) await deduct(database, await place(database, menu, 1))
    await makeOld()
    for (const movementCount of [1, 2, 5]) {
      await database.execute('delete from stock_checkpoints')
      expect(await reconcileStock(database, quiet, movementCount)).to.deep.equal({ items: 2, differing: [] })
      expect(await checkpoints()).to.deep.equal([{ ledger_qty: 4 }, { ledger_qty: 14 }])
    }
    const [item] = menu.menu_item_ids
    await database.execute('update stock_checkpoints set ledger_qty = 5 where menu_item_id = $1', [item])
    await reconcileStock(database, quiet, 2)
    expect(await checkpoints()).to.deep.equal([{ ledger_qty: 4 }, { ledger_qty: 14 }])
  })

  it('keeps movements out of a checkpoint while an older movement may still commit', async () => {
    await deduct(database, await place(database, menu, 3))
    await reconcileStock(database, quiet)
    expect(await checkpoints()).to.deep.equal([{ ledger_qty: 8 }, { ledger_qty: 18 }])
  })

  it('reports an item whose stock was changed without a movement, and does not change it', async () => {
    const [item] = menu.menu_item_ids
    await reconcileStock(database, quiet)
    await database.execute('update menu_items set available_qty = 9 where menu_item_id = $1', [item])
    const { log, lines } = recordingLog()
    expect((await reconcileStock(database, log)).differing).to.deep.equal([
      { menu_item_id: item, on_hand: 9, ledger_qty: 8 },
    ])
    expect(lines.at(-1)?.msg).to.equal('stock differs from the sum of its ledger')
    expect((await reconcileStock(database, quiet)).differing).to.have.length(1)
  })

  it('reports an item with a deleted movement before its checkpoint', async () => {
    await reconcileStock(database, quiet)
    const [item] = menu.menu_item_ids
    await database.execute(`delete from stock_movements where menu_item_id = $1 and kind = 'DEDUCT'`, [item])
    expect((await reconcileStock(database, quiet)).differing).to.deep.equal([
      { menu_item_id: item, on_hand: 8, ledger_qty: 10 },
    ])
  })
})
