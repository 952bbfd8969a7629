import { asItComes } from './as-it-comes.ts'
import { ALL, type FreshScenario, orderBodies, type Scenario, type SharedScenario } from './bench.ts'
import { apiAtRate, atOnce, latencyAt, oneByOne } from './measure-latency.ts'
import {
  drain,
  endToEnd,
  grown,
  limit,
  placement,
  placementBehindBacklog,
  SHORT_BACKLOG_PER_SECOND,
} from './measure-load.ts'
import { overload } from './measure-overload.ts'
import { idle, memory } from './measure-processes.ts'
import { retention } from './measure-retention.ts'
import { statements } from './measure-statements.ts'

/** In execution order: scenarios that need the same roles are adjacent. */
export const scenarios: Scenario[] = [
  {
    name: 'limit',
    about: 'one commit per order: the bare statement, prepared, 32 clients (pgbench, else node-postgres)',
    run: limit,
  },
  { name: 'place-1', about: 'placement at 1 connection, API only', run: placement(1, ['api']) },
  { name: 'place-32', about: 'placement at 32 connections, API only', run: placement(32, ['api']) },
  { name: 'place-128', about: 'placement at 128 connections, API only', run: placement(128, ['api']) },
  { name: 'place-500', about: 'placement at 500 connections, API only', run: placement(500, ['api']) },
  {
    name: 'place-1-unbatched',
    about: 'placement at 1 connection, one order per statement',
    run: placement(1, ['api'], { PLACEMENT_BATCH_COUNT: '1' }),
  },
  {
    name: 'place-128-all',
    about: 'placement at 128 connections with dispatcher and worker running',
    run: placement(128, ALL),
  },
  {
    name: 'place-500-all',
    about: 'placement at 500 connections with dispatcher and worker running',
    run: placement(500, ALL),
  },
  {
    name: 'end-to-end',
    about: 'first POST to last PREPARING, orders spread over all items',
    run: endToEnd(orderBodies),
  },
  {
    name: 'hot-item',
    about: 'first POST to last PREPARING, every order for one item',
    run: endToEnd(menu => orderBodies(menu).slice(0, 1)),
  },
  {
    name: '3-items',
    about: 'first POST to last PREPARING, 3 items per order',
    run: endToEnd(menu => orderBodies(menu, 3)),
  },
  {
    name: '20-items',
    about: 'first POST to last PREPARING, 20 items per order',
    run: endToEnd(menu => orderBodies(menu, 20)),
  },
  {
    name: 'one-by-one',
    about: 'PLACED → PREPARING of 200 orders, each alone on an idle system',
    run: oneByOne,
  },
  { name: 'at-once', about: 'PLACED → PREPARING of 1,000 orders sent at once', run: atOnce },
  { name: 'latency-100', about: 'PLACED → PREPARING at 100 orders/s', run: latencyAt(100) },
  { name: 'latency-500', about: 'PLACED → PREPARING at 500 orders/s', run: latencyAt(500) },
  {
    name: 'api-1000',
    about: 'API latency at 500 connections and 1,000 requests/s, all roles running',
    run: apiAtRate,
  },
  {
    name: 'drain',
    about: 'a backlog of a few seconds, without the API',
    run: drain(({ seconds }) => SHORT_BACKLOG_PER_SECOND * seconds),
  },
  { name: 'idle', about: 'CPU of each role on an idle system', run: idle },
  { name: 'memory', about: 'peak resident memory of each role, after all scenarios above', run: memory },
  {
    name: 'overload',
    about: 'three times what the whole system sustains, from 4,800 connections',
    run: overload,
  },
  {
    name: 'as-it-comes-apart',
    about: 'a new server with default settings: latency at 100 orders/s, then 128 connections, roles apart',
    runFresh: asItComes(ALL),
  },
  {
    name: 'as-it-comes-start',
    about: 'a new server with default settings: latency at 100 orders/s, then 128 connections, npm start',
    runFresh: asItComes(['start']),
  },
  {
    name: 'statements',
    about: 'what an order costs Postgres, end to end at 128 connections (pg_stat_statements)',
    runFresh: statements,
  },
]

/** Need `--seconds 600`; run only when `--only` names them. */
export const longScenarios: FreshScenario[] = [
  {
    name: 'retention',
    about: 'rows that are kept at 1,000 events/s with the shortest retention',
    runFresh: retention,
  },
]

/** The effect of table size; runs with `--grow`. */
export const growthScenarios: SharedScenario[] = [
  {
    name: 'place-128-grown',
    about: 'placement at 128 connections, API only, tables full of old orders',
    run: grown(placement(128, ['api'])),
  },
  {
    name: 'end-to-end-grown',
    about: 'first POST to last PREPARING, tables full of old orders',
    run: grown(endToEnd(orderBodies)),
  },
  {
    name: 'place-128-backlog',
    about: 'placement at 128 connections, API only, with a long backlog of events',
    run: placementBehindBacklog,
  },
  {
    name: 'drain-long',
    about: 'a long backlog, drained without the API (takes minutes)',
    run: drain(({ backlogCount }) => backlogCount),
  },
]
