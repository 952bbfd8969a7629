import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', '..')
const folder = join(ROOT, 'docs', 'monitoring')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')

/** The metrics that this program makes, by the names that Prometheus sees. */
function knownMetrics(): Set<string> {
  const files = [
    'src/ops/ops-metrics.ts',
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
    for (const [, kind, name = ''] of source.matchAll(/(gauge|create\w+)\('([\w.]+)'/g)) {
      const snake = name.replaceAll('.', '_')
      names.add(kind === 'gauge' ? `comanda_${snake}` : kind === 'createCounter' ? `${snake}_total` : snake)
    }
  }
  return names
}

/** The metrics that a file names, histograms by their base. */
function namedMetrics(text: string): string[] {
  return [...text.matchAll(/\b(comanda|http_server|nodejs)_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  )
}

describe('the ready-made monitoring', () => {
  const known = knownMetrics()

  for (const file of ['alerts.yml', 'alerts.test.yml', 'grafana-dashboard.json']) {
    it(`${file} names only metrics that there are`, () => {
      const named = namedMetrics(read(file))
      expect(named.length).to.be.above(10)
      expect(named.filter(name => !known.has(name))).to.deep.equal([])
    })
  }

  // Debian: apt-get install prometheus.
  const promtool = spawnSync('promtool', ['--version']).error === undefined
  it(
    promtool
      ? 'fires each alert on its trouble and no other'
      : 'has alerts (promtool is not here to test them)',
    () => {
      expect(read('alerts.yml')).to.contain('alert:')
      if (!promtool) return
      const { status, stdout, stderr } = spawnSync(
        'promtool',
        ['test', 'rules', join(folder, 'alerts.test.yml')],
        {
          encoding: 'utf8',
        },
      )
      expect(status, stdout + stderr).to.equal(0)
    },
  )
})
