import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { alertCases, quiet } from './alert-cases.ts'
import { hasPromtool, readRules, testRules } from './alert-rules.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(ROOT, 'docs', 'monitoring', file), 'utf8')

/** Returns the metrics that the source creates, by the names that Prometheus sees. */
function createdMetrics(): Set<string> {
  const files = [
    'src/ops/ops-metrics.ts',
    'src/ops/liveness/clock-skew.ts',
    'src/db/pool-metrics.ts',
    'src/orders/order-metrics.ts',
    'src/outbox/outbox-metrics.ts',
    'src/jobs/job-metrics.ts',
    'src/http/sse/stream-metrics.ts',
    'src/streams/tailer-metrics.ts',
    'src/webhooks/delivery/delivery-metrics.ts',
  ]
  const names = new Set(['http_server_request_duration_seconds', 'nodejs_eventloop_delay_p99_seconds'])
  for (const file of files) {
    const source = readFileSync(join(ROOT, file), 'utf8')
    for (const [, kind, name = ''] of source.matchAll(/(gauge|create\w+)\(\s*'([\w.]+)'/g)) {
      const snake = name.replaceAll('.', '_')
      names.add(kind === 'gauge' ? `comanda_${snake}` : kind === 'createCounter' ? `${snake}_total` : snake)
    }
  }
  return names
}

/** Returns the metrics that a text names, histograms by their base name. */
function namedMetrics(text: string): string[] {
  return [...text.matchAll(/\b(comanda|http_server|nodejs)_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  )
}

describe('docs/monitoring', () => {
  const created = createdMetrics()
  const texts = {
    'alerts.yml': read('alerts.yml'),
    'grafana-dashboard.json': read('grafana-dashboard.json'),
    'the series of the alert tests': [quiet, ...alertCases.map(({ fault }) => fault)]
      .flatMap(Object.keys)
      .join('\n'),
  }

  for (const [name, text] of Object.entries(texts)) {
    it(`${name}: every metric is created by the source`, () => {
      const named = namedMetrics(text)
      expect(named.length).to.be.above(10)
      expect(named.filter(metric => !created.has(metric))).to.deep.equal([])
    })
  }
})

describe('docs/monitoring/alerts.yml', () => {
  const rules = read('alerts.yml')

  it('has a test case for every alert', () => {
    const alerts = readRules(rules).map(({ alert }) => alert)
    expect(alerts).to.deep.equal([...new Set(alertCases.map(({ alert }) => alert))])
  })

  it('links every alert to a heading of the runbook', () => {
    const runbook = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8').split('\n## Runbook\n')[1] ?? ''
    const anchors = [...runbook.matchAll(/^### (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    )
    for (const { alert, annotations } of readRules(rules)) {
      const [file, anchor] = annotations['runbook']?.split('#') ?? []
      expect(file, alert).to.equal('docs/operations.md')
      expect(anchors, alert).to.include(anchor)
    }
  })

  // Debian has promtool in the package prometheus; .ci/run installs it.
  if (!hasPromtool) {
    console.warn('promtool is missing: the alert rules are not run')
    it('is run with promtool under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  it('fires each alert on its fault, after its time, and no other alert', () => {
    const { status, output } = testRules(rules)
    expect(status, output).to.equal(0)
  })

  /** Mistakes in the rules, each with the alert whose cases detect it. */
  const mistakes: [name: string, alert: string, right: string, wrong: string][] = [
    [
      'a threshold is raised',
      'ComandaOutboxLag',
      'max(comanda_outbox_lag_seconds) > 30',
      'max(comanda_outbox_lag_seconds) > 31',
    ],
    [
      'a threshold is lowered',
      'ComandaOutboxLag',
      'max(comanda_outbox_lag_seconds) > 30',
      'max(comanda_outbox_lag_seconds) > 29',
    ],
    [
      'a comparison is turned round',
      'ComandaDatabaseDown',
      'min(comanda_database_up) == 0',
      'min(comanda_database_up) == 1',
    ],
    [
      'a quantile is lowered',
      'ComandaApiSlow',
      'histogram_quantile(0.99, sum by (le) (rate(http',
      'histogram_quantile(0.9, sum by (le) (rate(http',
    ],
    ['a label matcher is lost', 'ComandaDeliveryDeadLetters', '{queue!="downstream.deliver"}', ''],
    ['an alert fires earlier', 'ComandaQueuePaused', 'for: 30m', 'for: 20m'],
    ['an alert fires later', 'ComandaQueuePaused', 'for: 30m', 'for: 40m'],
    ['a severity is changed', 'ComandaDatabaseDown', 'severity: critical', 'severity: warning'],
  ]
  for (const [name, alert, right, wrong] of mistakes) {
    it(`fails its test when ${name}`, () => {
      expect(rules).to.include(right)
      expect(testRules(rules, alert).status).to.equal(0)
      expect(testRules(rules.replace(right, wrong), alert).status).to.equal(1)
    })
  }
})
