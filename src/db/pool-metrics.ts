import { meter } from '../platform/meters.ts'
import type { Database } from './database.ts'

const connections = meter.createObservableGauge('comanda.db.pool.connections', {
  description: 'Database connections of a pool, by state',
})
const limit = meter.createObservableGauge('comanda.db.pool.max.connections', {
  description: 'Maximum number of database connections of a pool',
})
const waiting = meter.createObservableGauge('comanda.db.pool.waiting.requests', {
  description: 'Callers waiting for a connection of a pool',
})

/** Publishes the usage of a role's pool as metrics. @returns a function that stops it */
export function measurePool(role: string, database: Database): () => void {
  const measure: Parameters<typeof meter.addBatchObservableCallback>[0] = result => {
    const { max, total, idle, waiting: callers } = database.poolCounts()
    result.observe(connections, total - idle, { role, state: 'used' })
    result.observe(connections, idle, { role, state: 'idle' })
    result.observe(limit, max, { role })
    result.observe(waiting, callers, { role })
  }
  const instruments = [connections, limit, waiting]
  meter.addBatchObservableCallback(measure, instruments)
  return () => meter.removeBatchObservableCallback(measure, instruments)
}
