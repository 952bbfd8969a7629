import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { ApiClient } from '../support/api-client.ts'
import { killChildren } from '../support/child.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { startSystem } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

describe('a process with an OTLP endpoint', () => {
  afterEach(killChildren)

  it('exports its traces, the last ones while stopping, and stops even if the collector is unreachable', async () => {
    const received: Buffer[] = []
    const paths = new Set<string | undefined>()
    const sent: object[] = []
    const collector = createServer((request, response) => {
      paths.add(request.url)
      const { authorization, 'x-tenant': tenant } = request.headers
      sent.push({ authorization, tenant })
      request.on('data', (chunk: Buffer) => received.push(chunk)).once('end', () => response.end())
    })
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const { port } = collector.address() as AddressInfo
    const headers = join(temporaryFolder(), 'headers')
    writeFileSync(headers, 'authorization=Bearer%20of-all,x-tenant=7\n')
    const system = await startSystem([])
    try {
      for (const endpoint of [`http://127.0.0.1:${port}`, 'http://127.0.0.1:1']) {
        const child = startRoleProcess('api', system.url, {
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
          OTEL_EXPORTER_OTLP_HEADERS_FILE: headers,
          OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'authorization=Bearer%20of-traces',
        })
        const [, url = ''] = await child.untilOutput(/the API is listening[^\n]*"url":"(http:[^"]+)"/)
        await new ApiClient(url).call('GET', '/healthz', undefined, {
          traceparent: `00-${TRACE}-${CALLER}-01`,
        })
        child.signal('SIGTERM')
        expect(await child.ended, child.output() + child.errors()).to.equal(0)
      }
    } finally {
      await system.stop()
      collector.close()
    }
    expect([...paths]).to.deep.equal(['/v1/traces'])
    for (const headers of sent)
      expect(headers).to.deep.equal({ authorization: 'Bearer of-traces', tenant: '7' })
    const bytes = Buffer.concat(received)
    expect(bytes.includes(Buffer.from(TRACE, 'hex'))).to.equal(true)
    for (const text of ['comanda-api', 'GET /healthz']) expect(bytes.includes(text), text).to.equal(true)
  })
})
