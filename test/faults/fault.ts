import type { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { Clients, Menu } from './clients.ts'
import type { Cluster } from './cluster.ts'
import type { Postgres } from './postgres.ts'
import type { Proxy } from './proxy.ts'

export interface Surroundings {
  cluster: Cluster
  postgres: Postgres
  proxy: Proxy
  clients: Clients
  menu: Menu
  random: SeededRandom
}

/** What went wrong by the fault's own measure; empty when nothing. */
export type Complaints = string[]

export interface Fault {
  name: string
  about: string
  /** its orders are late by what it is, and are not waited for before the next fault */
  leavesOrdersLate?: boolean
  /** Applies the fault and takes it away again. */
  run: (surroundings: Surroundings) => Promise<Complaints>
}
