import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { undocumentedResponses } from '../support/openapi-response-hook.ts'
import { send } from './send.ts'

/** Every other test relies on the hook, so this test shows that it can fail. */
describe('a response that differs from the OpenAPI document', () => {
  let server: Server
  let baseUrl: string
  let answer: { status: number; type: string; body: string; requestId?: string }

  before(async () => {
    server = createServer((request, response) => {
      const { status, type, body, requestId } = answer
      request.resume()
      response.writeHead(status, {
        'content-type': type,
        ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
      })
      response.end(body)
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  async function failuresOf(method: string, path: string): Promise<string[]> {
    const before = undocumentedResponses.length
    const failures = await Promise.all(
      [fetch(baseUrl + path, { method }), send(baseUrl, { method, path })].map(call =>
        call.then(
          () => 'none',
          (error: Error) => error.message,
        ),
      ),
    )
    // The failures are intended and must not fail the test run.
    undocumentedResponses.splice(before)
    return failures
  }

  const right = { status: 200, type: 'application/json', body: '[]', requestId: 'x' }
  const orders = '/api/v1/orders'
  const cases: [what: string, method: string, path: string, answer: typeof answer, message: RegExp][] = [
    ['a status', 'GET', orders, { ...right, status: 201 }, /does not document 201/],
    ['a type', 'GET', orders, { ...right, type: 'text/html' }, /deeply equal/],
    ['a body', 'GET', orders, { ...right, body: '[{"order_id":7}]' }, /data\/0\/order_id must be string/],
    ['no request id', 'GET', orders, { ...right, requestId: undefined } as never, /x-request-id/],
    ['an operation', 'DELETE', orders, right, /no such operation/],
    ['a path', 'GET', '/api/v1/nothing', right, /no such operation/],
    [
      'a code',
      'GET',
      orders,
      { ...right, status: 418, type: 'application/problem+json', body: '{"code":"teapot"}' },
      /teapot is not in the catalogue/,
    ],
  ]
  for (const [what, method, path, given, message] of cases) {
    it(`fails the call that received it: ${what}`, async () => {
      answer = given
      for (const failure of await failuresOf(method, path)) expect(failure).to.match(message)
    })
  }

  it('is not reported for a documented response or another server', async () => {
    answer = right
    expect(await failuresOf('GET', `${orders}?limit=1`)).to.deep.equal(['none', 'none'])
    answer = { ...right, status: 201 }
    expect(await failuresOf('GET', '/elsewhere')).to.deep.equal(['none', 'none'])
  })
})
