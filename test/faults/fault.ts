import type { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { Menu } from '../support/pipeline.ts'
import type { Clients } from './clients.ts'
import type { Cluster } from './cluster.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Proxy } from './proxy.ts'

/** The processes, the database and its clients. */
export interface SystemUnderTest {
  cluster: Cluster
  postgres: DatabaseUnderTest
  proxy: Proxy
  clients: Clients
  menu: Menu
  random: SeededRandom
}

/** Everything that a fault can act on. */
export interface TestBed extends SystemUnderTest {
  /** for a fault that measures by itself how long the system takes to be healthy */
  healthyAfter: (ms: number) => void
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
