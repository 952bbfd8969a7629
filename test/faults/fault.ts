import type { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { Menu } from '../support/pipeline.ts'
import type { Clients } from './clients.ts'
import type { Cluster } from './cluster.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Proxy } from './proxy.ts'

/** Everything that a fault can act on. */
export interface TestBed {
  cluster: Cluster
  postgres: DatabaseUnderTest
  proxy: Proxy
  clients: Clients
  menu: Menu
  random: SeededRandom
}

export interface Fault {
  name: string
  about: string
  /**
   * The fault delays orders by design, so the suite does not wait for them before the next fault.
   */
  delaysOrders?: boolean
  /** Commits are lost by design: acknowledged orders may be gone. */
  losesCommits?: boolean
  /** Injects the fault and removes it. @returns failures that it detected */
  run: (testBed: TestBed) => Promise<string[]>
}
