import { createMenu } from '../support/menu.ts'
import type { Menu } from '../support/pipeline.ts'
import type { BenchSystem } from './bench-system.ts'

const ITEM_COUNT = 100
/** Never sold out and never low. */
const STOCK = 1_000_000_000

/** Starts the API alone, and creates a restaurant with a menu through it. */
export async function addMenu(system: BenchSystem, itemCount = ITEM_COUNT): Promise<Menu> {
  await system.run(['api'])
  return await createMenu(system.api, { name: 'Bench', itemCount, stock: STOCK })
}
