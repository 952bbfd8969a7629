import { ALL, type Scenario, singles } from './bench.ts'
import { apiAtRate, atOnce, latencyAt, oneByOne } from './measure-latency.ts'
import {
  drain,
  endToEnd,
  grown,
  limit,
  overload,
  placement,
  placementBehindBacklog,
  SHORT_BACKLOG_PER_SECOND,
} from './measure-load.ts'
import { idle, memory } from './measure-processes.ts'

/** In the order in which each round runs them: what starts from the same roles stands together. */
export const scenarios: Scenario[] = [
  {
    name: 'limit',
    about: 'one commit an order: the bare statement, prepared, 32 clients (pgbench, else node-postgres)',
    run: limit,
  },
  { name: 'place-1', about: 'placement at 1 connection, the API alone', run: placement(1, ['api']) },
  { name: 'place-32', about: 'placement at 32 connections, the API alone', run: placement(32, ['api']) },
  { name: 'place-128', about: 'placement at 128 connections, the API alone', run: placement(128, ['api']) },
  { name: 'place-500', about: 'placement at 500 connections, the API alone', run: placement(500, ['api']) },
  {
    name: 'place-1-unbatched',
    about: 'placement at 1 connection, one order a statement',
    run: placement(1, ['api'], { PLACEMENT_BATCH_COUNT: '1' }),
  },
  {
    name: 'place-128-all',
    about: 'placement at 128 connections while dispatcher and worker run',
    run: placement(128, ALL),
  },
  {
    name: 'place-500-all',
    about: 'placement at 500 connections while dispatcher and worker run',
    run: placement(500, ALL),
  },
  { name: 'end-to-end', about: 'first POST to last PREPARING, items taken evenly', run: endToEnd(singles) },
  {
    name: 'hot-item',
    about: 'the same, every order for one item',
    run: endToEnd(menu => singles(menu).slice(0, 1)),
  },
  { name: '3-items', about: 'the same, 3 items an order', run: endToEnd(menu => singles(menu, 3)) },
  { name: '20-items', about: 'the same, 20 items an order', run: endToEnd(menu => singles(menu, 20)) },
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
    about: 'the API at 500 connections and 1,000 requests/s, all roles running',
    run: apiAtRate,
  },
  {
    name: 'drain',
    about: 'a backlog of a few seconds, the API not running',
    run: drain(({ seconds }) => SHORT_BACKLOG_PER_SECOND * seconds),
  },
  { name: 'idle', about: 'CPU of each role while nothing happens', run: idle },
  { name: 'memory', about: 'peak resident memory of each role, after all of the above', run: memory },
  {
    name: 'overload',
    about: 'three times what the whole system keeps up with, from 4,800 connections',
    run: overload,
  },
]

/** What the size of the tables does; run with `--grow`. */
export const growthScenarios: Scenario[] = [
  {
    name: 'place-128-grown',
    about: 'placement at 128 connections, the API alone, tables full of old orders',
    run: grown(placement(128, ['api'])),
  },
  {
    name: 'end-to-end-grown',
    about: 'first POST to last PREPARING, tables full of old orders',
    run: grown(endToEnd(singles)),
  },
  {
    name: 'place-128-backlog',
    about: 'placement at 128 connections, the API alone, while a long backlog waits',
    run: placementBehindBacklog,
  },
  {
    name: 'drain-long',
    about: 'a long backlog, to its end, the API not running (takes minutes)',
    run: drain(({ backlogCount }) => backlogCount),
  },
]
