import { expect } from 'chai'
import type { ListedOrderReply } from '../../src/orders/order-contract.ts'
import { expectProblem } from './expect-problem.ts'
import { RefusingSystem } from './refusals.ts'
import { type RawReply, send, sendBytes } from './send.ts'
import { operations, prepareIds, requestOf } from './successful-requests.ts'

describe('query parameters', () => {
  let refusing: RefusingSystem
  const orders = '/api/v1/orders'

  before(async () => {
    refusing = await RefusingSystem.start()
  })
  after(() => refusing.system.stop())

  const get = (path: string): Promise<RawReply> => send(refusing.system.api.baseUrl, { method: 'GET', path })

  async function expectInvalid(query: string, parameter: string, detail: RegExp): Promise<void> {
    const reply = await get(`${orders}?${query}`)
    expectProblem(reply, { code: 'query-invalid' })
    const { errors } = JSON.parse(reply.text) as { errors: { parameter: string; detail: string }[] }
    expect(errors.map(each => each.parameter)).to.deep.equal([parameter])
    expect(errors[0]?.detail, query).to.match(detail)
  }

  it('that an operation does not know are refused by name, on every operation', async () => {
    const { baseUrl } = refusing.system.api
    const ids = await Promise.all(
      operations.map(operation =>
        // The query is refused before the order is read.
        prepareIds(
          operation,
          refusing.ids,
          request => send(baseUrl, request),
          async () => undefined,
        ),
      ),
    )
    await refusing.expectRefused(
      operations.map((operation, index) => {
        const request = requestOf(operation, ids[index] ?? refusing.ids)
        const path = `${request.path}${request.path.includes('?') ? '&' : '?'}surprise=1`
        return {
          name: operation.operationId,
          request: { ...request, path },
          expected: {
            code: 'query-invalid',
            errors: [{ parameter: 'surprise', detail: 'is not a known parameter' } as never],
          },
        }
      }),
    )
  })

  it('are listed in an error at most 100 at a time', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `p${index}=1`).join('&')
    const { errors } = JSON.parse((await get(`${orders}?${names}`)).text) as { errors: unknown[] }
    expect(errors).to.have.lengthOf(100)
  })

  it('that are lists may be repeated, and others may not', async () => {
    const { order_id } = refusing.ids
    for (const query of ['status=PLACED&status=CANCELLED', 'status=DELIVERED&status=PREPARING,PLACED']) {
      const reply = await get(`${orders}?${query}`)
      expect(reply.status, reply.text).to.equal(200)
      const listed = JSON.parse(reply.text) as ListedOrderReply[]
      expect(listed.map(order => order.order_id)).to.include(order_id)
    }
    expect(JSON.parse((await get(`${orders}?status=DELIVERED&status=CANCELLED`)).text)).to.deep.equal([])
    await expectInvalid('status=PLACED&status=placed', 'status', /^must be one of PLACED/)
    await expectInvalid(`status=${'PLACED,'.repeat(5)}PLACED`, 'status', /more than 5 statuses/)
    for (const single of ['limit=1&limit=2', 'customer_id=a&customer_id=a', 'cursor=a&cursor=b'])
      await expectInvalid(single, single.split('=')[0] ?? '', /^must not be repeated$/)
    const twice = 'placed_from=2026-01-01T00:00:00Z&placed_from=2026-01-01T00:00:00Z'
    await expectInvalid(twice, 'placed_from', /^must not be repeated$/)
    const id = refusing.ids.restaurant_id
    await expectInvalid(`restaurant_id=${id}&restaurant_id=${id}`, 'restaurant_id', /^must not be repeated$/)
  })

  it('with a space in place of the + of an offset name %2B', async () => {
    for (const time of ['2026-01-01T00:00:00+02:00', '2026-01-01T00:00:00.5+0200', '2026-01-01T00:00+02:00'])
      await expectInvalid(`placed_from=${time}`, 'placed_from', /"\+".*%2B/)
    const stats = `/api/v1/restaurants/${refusing.ids.restaurant_id}/stats`
    for (const parameter of ['from', 'to']) {
      const reply = await get(`${stats}?${parameter}=2026-11-20T00:00:00+05:30`)
      expectProblem(reply, { code: 'query-invalid' })
      expect(reply.text).to.include('%2B')
    }
    await expectInvalid('placed_from=2026-01-01%2000:00:00', 'placed_from', /^must be a time like/)
    expect((await get(`${orders}?placed_from=2026-01-01T00:00:00%2B02:00`)).status).to.equal(200)
  })

  it('with a year outside 1 to 9999 in UTC are refused', async () => {
    for (const time of [
      '0000-01-01T00:00:00Z',
      '0001-01-01T00:59:59+01:00',
      '9999-12-31T23:00:00-01:00',
      '9999-12-31T00:01:00-24:00',
    ])
      for (const parameter of ['placed_from', 'placed_before'])
        await expectInvalid(
          `${parameter}=${encodeURIComponent(time)}`,
          parameter,
          /year|^must be a time like/,
        )
    for (const time of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])
      expect((await get(`${orders}?placed_from=${time}`)).status, time).to.equal(200)
  })

  it('placed_from after placed_before is refused', async () => {
    const range = (from: string, before: string) =>
      `placed_from=${encodeURIComponent(from)}&placed_before=${encodeURIComponent(before)}`
    await expectInvalid(
      range('2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'),
      'placed_before',
      /^must not be before `placed_from`$/,
    )
    await expectInvalid(
      range('2026-01-01T00:30:00Z', '2026-01-01T02:00:00+02:00'),
      'placed_before',
      /^must not be before `placed_from`$/,
    )
    for (const before of ['2026-01-01T00:30:00Z', '2026-01-01T02:30:00+02:00'])
      expect((await get(`${orders}?${range('2026-01-01T00:30:00Z', before)}`)).status).to.equal(200)
  })

  it('and paths that are not percent-encoded UTF-8 are refused', async () => {
    for (const bad of ['%', '%z1', '%zz', '%C3', '%FF', '%ED%A0%80', 'a%80b']) {
      await expectInvalid(`customer_id=${bad}`, 'customer_id', /^is not percent-encoded UTF-8$/)
      expectProblem(await get(`${orders}?${bad}=1`), { code: 'query-invalid' })
      for (const path of [
        `${orders}/${bad}`,
        `/api/v1/restaurants/${bad}/menu`,
        `/${bad}`,
        `/problems/${bad}`,
      ]) {
        const reply = await get(path)
        expectProblem(reply, { code: 'malformed-request' })
        expect(JSON.parse(reply.text).detail).to.match(/path.*percent-encoded UTF-8/)
      }
    }
  })

  it('without percent encoding are refused unless they are ASCII', async () => {
    const bytes = await sendBytes(
      refusing.system.api.baseUrl,
      `GET ${orders}?customer_id=Müller HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    )
    expect(bytes).to.match(/^HTTP\/1.1 400 [^]*malformed-request/)
  })
})
