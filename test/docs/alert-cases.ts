/** Series of a system, by name and labels, in promtool's notation of values, one value a minute. */
export type Series = Readonly<Record<string, string>>

/**
 * A fault, the alert that it causes, and how near to the fault the system may come without an
 * alert.
 */
export interface AlertCase {
  alert: string
  /** Names the cause where one alert has several. */
  cause?: string
  /** Labels of the alert once it fires. */
  labels: Record<string, string>
  /** Series that differ from {@link quiet}: the alert fires, and no other. */
  fault: Series
  /** Series that differ from {@link quiet}: just within the threshold, so that no alert fires. */
  tolerated?: Series
  /**
   * Minutes from the beginning of the fault until the expression is true; rates need two samples.
   * Default: 0.
   */
  trueAfter?: number
  /** Minutes for which the expression has to be true before the alert fires. */
  holds: number
}

const requests = 'http_server_request_duration_seconds'
const api = 'instance="api",http_route="/api/v1/orders"'
const letters = (queue: string) => `comanda_dead_letters_open{instance="api",queue="${queue}"}`
const paused = (queue: string) => `comanda_queue_paused{instance="api",queue="${queue}"}`
const held = (queue: string) => `comanda_queue_held{instance="api",queue="${queue}"}`
const process = (role: string, state: string) =>
  `comanda_processes{instance="api",role="${role}",state="${state}"}`
const duration = (le: string) => `${requests}_bucket{${api},le="${le}"}`
const answers = (status: number) => `${requests}_count{${api},http_response_status_code="${status}"}`
const attempts = (outcome: string) => `comanda_webhook_attempts_total{instance="worker",outcome="${outcome}"}`
const streamLag = (le: string) => `comanda_streams_lag_seconds_bucket{instance="api",le="${le}"}`
const dropped = (reason: string) => `comanda_streams_dropped_total{instance="api",reason="${reason}"}`

const OLDEST_DELIVERY = 'comanda_queue_oldest_ready_seconds{instance="api",queue="downstream.deliver"}'
const STREAM_READ_FAILURES = 'comanda_streams_read_failures_total{instance="api"}'

/** An hour of a system under load in which no alert fires. */
export const quiet: Series = {
  'comanda_database_up{instance="api"}': '1x60',
  [process('dispatcher', 'LIVE')]: '1x60',
  [process('worker', 'LIVE')]: '2x60',
  'comanda_outbox_lag_seconds{instance="api"}': '0x60',
  'comanda_outbox_quarantined_events{instance="api"}': '0x60',
  [letters('order.prepare')]: '0x60',
  [letters('downstream.deliver')]: '0x60',
  'comanda_stock_differing_items{instance="api"}': '0x60',
  [paused('order.prepare')]: '0x60',
  [paused('downstream.deliver')]: '0x60',
  [held('order.prepare')]: '0x60',
  [duration('0.005')]: '0+600x60',
  [duration('0.2')]: '0+600x60',
  [duration('0.5')]: '0+600x60',
  [duration('+Inf')]: '0+600x60',
  [answers(202)]: '0+600x60',
  [answers(503)]: '0x60',
  'comanda_db_pool_waiting_requests{instance="api",role="api"}': '0x60',
  'nodejs_eventloop_delay_p99_seconds{instance="api"}': '0.021x60',
  'comanda_clock_skew_seconds{instance="api"}': '0.002x60',
  'comanda_clock_skew_seconds{instance="worker"}': '-0.4x60',
  [attempts('delivered')]: '0+600x60',
  [attempts('retry')]: '0+6x60',
  [OLDEST_DELIVERY]: '0.2x60',
  'comanda_webhook_oldest_pending_seconds{instance="api"}': '4x60',
  'comanda_webhooks_disabled_last_day{instance="api"}': '0x60',
  'comanda_streams_open{instance="api"}': '300x60',
  'comanda_streams_max_open{instance="api"}': '2500x60',
  [dropped('slow')]: '0+1x60',
  [dropped('unauthorised')]: '0+10x60',
  [streamLag('0.1')]: '0+600x60',
  [streamLag('5')]: '0+600x60',
  [streamLag('10')]: '0+600x60',
  [streamLag('+Inf')]: '0+600x60',
  [STREAM_READ_FAILURES]: '0x60',
  'comanda_projection_behind_seconds{instance="api",projection="stats"}': '2x60',
  'comanda_projection_failed_restaurants{instance="api",projection="stats"}': '0x60',
}

/** Series of {@link quiet} that a system without webhooks and streams does not have. */
export const optionalSeries = Object.keys(quiet).filter(name =>
  /comanda_(webhook|streams_)|downstream\.deliver/.test(name),
)

/** Faults that no alert is meant for. */
export const silentFaults: Readonly<Record<string, Series>> = {
  'a queue of deliveries that was paused 25 minutes ago': {
    [OLDEST_DELIVERY]: '0+60x60',
    [paused('downstream.deliver')]: '0x20 1x40',
  },
}

const critical = { severity: 'critical' }
const warning = { severity: 'warning' }

export const alertCases: readonly AlertCase[] = [
  {
    alert: 'ComandaDatabaseDown',
    labels: critical,
    fault: { 'comanda_database_up{instance="api"}': '0x60' },
    holds: 1,
  },
  {
    alert: 'ComandaNoDispatcher',
    labels: critical,
    fault: { [process('dispatcher', 'LIVE')]: '_x60', [process('dispatcher', 'SILENT')]: '1x60' },
    holds: 1,
  },
  {
    alert: 'ComandaNoWorker',
    labels: critical,
    fault: { [process('worker', 'LIVE')]: '_x60' },
    tolerated: { [process('worker', 'LIVE')]: '1x60', [process('worker', 'SILENT')]: '1x60' },
    holds: 1,
  },
  {
    alert: 'ComandaOutboxLag',
    labels: critical,
    fault: { 'comanda_outbox_lag_seconds{instance="api"}': '31x60' },
    tolerated: { 'comanda_outbox_lag_seconds{instance="api"}': '30x60' },
    holds: 1,
  },
  {
    alert: 'ComandaEventsQuarantined',
    labels: warning,
    fault: { 'comanda_outbox_quarantined_events{instance="api"}': '1x60' },
    holds: 0,
  },
  {
    alert: 'ComandaOrdersStuck',
    labels: critical,
    fault: { 'comanda_stuck_orders{instance="api",reason="RETRYING"}': '1x60' },
    tolerated: { 'comanda_stuck_orders{instance="api",reason="RETRYING"}': '0x60' },
    holds: 2,
  },
  {
    alert: 'ComandaDeadLetters',
    labels: warning,
    fault: { [letters('order.prepare')]: '1x60' },
    holds: 15,
  },
  {
    alert: 'ComandaStockDiffers',
    labels: critical,
    fault: { 'comanda_stock_differing_items{instance="api"}': '1x60' },
    holds: 0,
  },
  {
    alert: 'ComandaQueuePaused',
    labels: { ...warning, queue: 'order.prepare' },
    fault: { [paused('order.prepare')]: '1x60' },
    holds: 30,
  },
  {
    alert: 'ComandaQueueHeld',
    labels: { ...warning, queue: 'order.prepare' },
    fault: { [held('order.prepare')]: '1x60' },
    holds: 10,
  },
  {
    alert: 'ComandaStatisticsBehind',
    labels: { ...warning, projection: 'stats' },
    fault: { 'comanda_projection_behind_seconds{instance="api",projection="stats"}': '121x60' },
    tolerated: { 'comanda_projection_behind_seconds{instance="api",projection="stats"}': '120x60' },
    holds: 5,
  },
  {
    alert: 'ComandaStatisticsFailed',
    labels: { ...warning, projection: 'stats' },
    fault: { 'comanda_projection_failed_restaurants{instance="api",projection="stats"}': '1x60' },
    holds: 0,
  },
  {
    alert: 'ComandaApiSlow',
    labels: warning,
    // Of 600 requests a minute, 594 are 99 %.
    fault: { [duration('0.005')]: '0x60', [duration('0.2')]: '0+593x60' },
    tolerated: { [duration('0.005')]: '0x60', [duration('0.2')]: '0+595x60' },
    trueAfter: 1,
    holds: 5,
  },
  {
    alert: 'ComandaApiErrors',
    labels: critical,
    fault: { [answers(503)]: '0+7x60' },
    tolerated: { [answers(503)]: '0+6x60', [answers(501)]: '0+60x60' },
    trueAfter: 1,
    holds: 5,
  },
  {
    alert: 'ComandaPoolExhausted',
    labels: { ...warning, role: 'api' },
    fault: { 'comanda_db_pool_waiting_requests{instance="api",role="api"}': '1x60' },
    holds: 2,
  },
  {
    alert: 'ComandaEventLoopBlocked',
    labels: { ...warning, instance: 'api' },
    fault: { 'nodejs_eventloop_delay_p99_seconds{instance="api"}': '0.26x60' },
    tolerated: { 'nodejs_eventloop_delay_p99_seconds{instance="api"}': '0.25x60' },
    holds: 5,
  },
  {
    alert: 'ComandaClockWrong',
    cause: 'ahead',
    labels: { ...warning, instance: 'api' },
    fault: { 'comanda_clock_skew_seconds{instance="api"}': '1.1x60' },
    tolerated: { 'comanda_clock_skew_seconds{instance="api"}': '1x60' },
    holds: 5,
  },
  {
    alert: 'ComandaClockWrong',
    cause: 'behind',
    labels: { ...warning, instance: 'worker' },
    fault: { 'comanda_clock_skew_seconds{instance="worker"}': '-600x60' },
    tolerated: { 'comanda_clock_skew_seconds{instance="worker"}': '-1x60' },
    holds: 5,
  },
  {
    alert: 'ComandaDeliveriesFailing',
    labels: warning,
    fault: { [attempts('delivered')]: '0+5x60' },
    tolerated: { [attempts('delivered')]: '0+6x60' },
    trueAfter: 1,
    holds: 15,
  },
  {
    alert: 'ComandaDeliveriesNotTaken',
    labels: critical,
    fault: { [OLDEST_DELIVERY]: '61x60' },
    tolerated: { [OLDEST_DELIVERY]: '60x60' },
    holds: 2,
  },
  {
    alert: 'ComandaDeliveriesWait',
    labels: warning,
    fault: { 'comanda_webhook_oldest_pending_seconds{instance="api"}': '3601x60' },
    tolerated: { 'comanda_webhook_oldest_pending_seconds{instance="api"}': '3600x60' },
    holds: 15,
  },
  {
    alert: 'ComandaWebhookDisabled',
    labels: warning,
    fault: { 'comanda_webhooks_disabled_last_day{instance="api"}': '1x60' },
    holds: 0,
  },
  {
    alert: 'ComandaDeliveryDeadLetters',
    labels: warning,
    fault: { [letters('downstream.deliver')]: '1x60' },
    holds: 15,
  },
  {
    alert: 'ComandaStreamsFull',
    labels: { ...warning, instance: 'api' },
    fault: { 'comanda_streams_open{instance="api"}': '2251x60' },
    tolerated: { 'comanda_streams_open{instance="api"}': '2250x60' },
    holds: 5,
  },
  {
    alert: 'ComandaStreamsDropped',
    labels: warning,
    // Of 2.2 a minute, the fourteenth minute is the first with more than 30 behind it.
    fault: { [dropped('slow')]: '0+2.2x60' },
    tolerated: { [dropped('slow')]: '0+1.9x60' },
    trueAfter: 14,
    holds: 5,
  },
  {
    alert: 'ComandaStreamsLate',
    labels: critical,
    fault: { [streamLag('0.1')]: '0x60', [streamLag('5')]: '0+593x60' },
    tolerated: { [streamLag('0.1')]: '0x60', [streamLag('5')]: '0+595x60' },
    trueAfter: 1,
    holds: 5,
  },
  {
    alert: 'ComandaStreamsLate',
    cause: 'events cannot be read',
    labels: critical,
    fault: { [STREAM_READ_FAILURES]: '0+1x60' },
    trueAfter: 1,
    holds: 5,
  },
]
