import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { expectProblem } from './expect-problem.ts'
import { fieldsOf } from './operations.ts'
import { RefusingSystem } from './refusals.ts'
import { send } from './send.ts'
import { type Ids, json, operations, pathOf, requestOf } from './successful-requests.ts'
import {
  listOf,
  MAX_DEPTH,
  notJson,
  tooDeep,
  unacceptedHeaders,
  unknownProperties,
  wrongBodies,
  wrongPathIds,
} from './wrong-values.ts'

describe('invalid input over HTTP', () => {
  let refusing: RefusingSystem
  let ids: Ids

  before(async () => {
    refusing = await RefusingSystem.start()
    ids = refusing.ids
  })
  after(() => refusing.system.stop())

  it('covers every documented field of every body', async () => {
    const { body: document } = await refusing.system.api.call('GET', '/openapi.json')
    for (const { operationId, bodySchema, fields = {} } of operations) {
      const documented = bodySchema ? fieldsOf(document, bodySchema) : []
      const covered = Object.entries(fields).map(([pointer, { required = false }]) => ({ pointer, required }))
      expect(covered, operationId).to.have.deep.members(documented)
    }
  })

  for (const operation of operations) {
    const { operationId, resource, body, bodyRequired, fields = {} } = operation

    describe(operationId, () => {
      if (resource) {
        it('answers 404 for unknown and malformed ids', () =>
          refusing.expectRefused(
            [...wrongPathIds, uuidv7(), '00000000-0000-0000-0000-000000000000'].map(id => ({
              name: id,
              request: requestOf(operation, ids, { id }),
              expected: { code: `${resource}-not-found` },
            })),
          ))
      }
      if (!body) return

      for (const [pointer, { wrong, required }] of Object.entries(fields)) {
        it(`refuses ${wrong.length} invalid values of ${pointer}`, () =>
          refusing.expectRefused(
            wrong.map(({ name, json, detail, below = '' }) => ({
              name,
              request: requestOf(operation, ids, { body: withValue(body(ids), pointer, json) }),
              expected: { code: 'validation-failed', errors: [{ pointer: pointer + below, detail }] },
            })),
          ))

        if (required) {
          it(`refuses a body without ${pointer}`, () =>
            refusing.expectRefused([
              {
                name: 'missing',
                request: requestOf(operation, ids, { body: withValue(body(ids), pointer, undefined) }),
                expected: { code: 'validation-failed', errors: [{ pointer, detail: 'is required' }] },
              },
            ]))
        }
      }

      it('refuses unknown properties by name', () =>
        refusing.expectRefused(
          objectsIn(Object.keys(fields)).flatMap(holder =>
            unknownProperties.map(([key, shown]) => ({
              name: `${holder}/${shown}`,
              request: requestOf(operation, ids, { body: withProperty(body(ids), holder, key) }),
              expected: {
                code: 'validation-failed' as const,
                errors: [{ pointer: `${holder}/${shown}`, detail: 'is not a known property' }],
              },
            })),
          ),
        ))

      it('refuses JSON that is not an object', () =>
        refusing.expectRefused(
          wrongBodies().map(({ name, json, detail, below: pointer = '' }) => ({
            name,
            request: requestOf(operation, ids, { body: json }),
            expected: { code: 'validation-failed', errors: [{ pointer, detail }] },
          })),
        ))

      it('refuses JSON nested beyond the limit and validates JSON at the limit', () =>
        refusing.expectRefused([
          ...tooDeep.map(({ name, json }) => ({
            name,
            request: requestOf(operation, ids, { body: json }),
            expected: { code: 'json-too-deep' as const },
          })),
          {
            name: 'just not',
            request: requestOf(operation, ids, { body: listOf(MAX_DEPTH) }),
            expected: { code: 'validation-failed', errors: [{ pointer: '', detail: 'must be an object' }] },
          },
        ]))

      it('refuses a body that is not JSON', () =>
        refusing.expectRefused([
          ...notJson.map(text => ({
            name: text.slice(0, 20),
            request: requestOf(operation, ids, { body: text }),
            expected: { code: 'malformed-json' as const },
          })),
          {
            name: 'cut off',
            request: requestOf(operation, ids, { body: JSON.stringify(body(ids)).slice(0, -1) }),
            expected: { code: 'malformed-json' },
          },
          {
            name: 'not UTF-8',
            request: requestOf(operation, ids, { body: Buffer.from('{"name":"Café"}', 'latin1') }),
            expected: { code: 'malformed-json' },
          },
        ]))

      it('refuses other content types, character sets and encodings', () =>
        refusing.expectRefused(
          unacceptedHeaders.map(headers => ({
            name: JSON.stringify(headers),
            request: requestOf(operation, ids, { headers }),
            expected: { code: 'unsupported-media-type' },
          })),
        ))

      it('refuses a body of 2 MB with and without Content-Length', () =>
        refusing.expectRefused(
          [false, true].map(chunked => ({
            name: chunked ? 'in chunks' : 'with its length',
            request: { ...requestOf(operation, ids, { body: twoMegabytes }), chunked },
            expected: { code: 'payload-too-large' },
          })),
        ))

      if (bodyRequired) {
        it('refuses a request without a body', () =>
          refusing.expectRefused([
            {
              name: 'none',
              request: { method: operation.method, path: pathOf(operation, ids) },
              expected: { code: 'malformed-json' },
            },
            ...[false, true].map(chunked => ({
              name: chunked ? 'of no chunks' : 'of no bytes',
              request: { ...requestOf(operation, ids, { body: '' }), chunked },
              expected: { code: 'malformed-json' as const },
            })),
          ]))
      }
    })
  }

  it('names the line with an item that is unknown or of another restaurant', async () => {
    const { api } = refusing.system
    const { restaurant_id } = await api.addRestaurant()
    const foreign = await api.addItem(restaurant_id, 10)
    const bad = [foreign.menu_item_id, uuidv7()]
    await refusing.expectRefused(
      bad.map(menu_item_id => ({
        name: menu_item_id,
        request: {
          method: 'POST',
          path: '/api/v1/orders',
          headers: json,
          body: JSON.stringify({
            restaurant_id: ids.restaurant_id,
            items: [
              { menu_item_id: ids.menu_item_id, quantity: 1 },
              { menu_item_id, quantity: 1 },
            ],
          }),
        },
        expected: {
          code: 'validation-failed',
          errors: [
            { pointer: '/items/1/menu_item_id', detail: `${menu_item_id} is not on this restaurant's menu` },
          ],
        },
      })),
    )
  })

  it('answers 404 to an order for an unknown restaurant', () =>
    refusing.expectRefused([
      {
        name: 'unknown',
        request: {
          method: 'POST',
          path: '/api/v1/orders',
          headers: json,
          body: JSON.stringify({
            restaurant_id: uuidv7(),
            items: [{ menu_item_id: ids.menu_item_id, quantity: 1 }],
          }),
        },
        expected: { code: 'restaurant-not-found' },
      },
    ]))

  it('names 100 errors of a body with thousands', async () => {
    const body = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, key) => [key, 1])))
    const reply = await send(refusing.system.api.baseUrl, {
      method: 'POST',
      path: '/api/v1/orders',
      headers: json,
      body,
    })
    expectProblem(reply, { code: 'validation-failed' })
    expect(JSON.parse(reply.text)).to.have.property('errors').with.lengthOf(100)
  })
})

const twoMegabytes = `"${'x'.repeat(2_000_000)}"`

const HOLE = 'here goes the value'

/** Returns the body with this JSON at the pointer; undefined removes the value. */
function withValue(body: object, pointer: string, json: string | undefined): string {
  const path = pointer.split('/').slice(1)
  const last = path.pop() ?? ''
  valueAt(body, path)[last] = json === undefined ? undefined : HOLE
  return JSON.stringify(body).replace(`"${HOLE}"`, () => json ?? '')
}

/** Returns the body with an additional property in the object at the pointer. */
function withProperty(body: object, pointer: string, key: string): string {
  const path = pointer.split('/').slice(1)
  Object.assign(valueAt(body, path), { [HOLE]: 1 })
  return JSON.stringify(body).replace(HOLE, () => key)
}

function valueAt(body: object, path: string[]): Record<string, unknown> {
  return path.reduce((value, key) => value[key] as Record<string, unknown>, body as Record<string, unknown>)
}

/** Returns the pointers of the objects that contain these fields. */
function objectsIn(pointers: string[]): string[] {
  return [...new Set(pointers.map(pointer => pointer.slice(0, pointer.lastIndexOf('/'))))]
}
