import { expect } from 'chai'
import { openApiDocument } from '../../src/http/openapi/openapi.ts'
import { NIL_UUID } from '../../src/platform/ids.ts'
import { apiRoutes } from '../../src/processes/api.ts'
import { type RegistryEntry, registry } from './operation-registry.ts'
import { type Operation, operationsOf } from './operations.ts'
import type { RawReply, RawRequest } from './send.ts'

/** The operation that creates each resource, in the order in which they depend on each other. */
const creators = {
  restaurant_id: 'addRestaurant',
  menu_item_id: 'addMenuItem',
  order_id: 'placeOrder',
  webhook_id: 'addWebhook',
  delivery_id: 'testWebhook',
} as const

/** Ids that are not created. */
const fixed = { queue: 'inventory.return' } as const

export type IdName = keyof typeof creators

/** Ids of existing resources, by the name of their path parameter. */
export type Ids = Record<IdName, string> & { action_id?: string }

/** Returns an id by the name of a path parameter. A delivery can be retried like a job. */
function idOf(name: string, ids: Ids): string {
  const all: Record<string, string> = {
    ...ids,
    ...fixed,
    job_id: ids.delivery_id,
    action_id: ids.action_id ?? NIL_UUID,
  }
  return all[name] ?? ''
}

/** An operation of the document with its registry entry. */
export type RegisteredOperation = Operation & RegistryEntry

/**
 * Every operation of the document.
 * @throws by name when the registry lacks one, or has one too many
 */
export const operations: RegisteredOperation[] = registerAll()

function registerAll(): RegisteredOperation[] {
  const documented = operationsOf(openApiDocument(apiRoutes({} as never), 'test'))
  const names = new Set(documented.map(({ operationId }) => operationId))
  const unknown = Object.keys(registry).find(name => !names.has(name))
  if (unknown !== undefined)
    throw new Error(`test/http/operation-registry.ts: no operation ${unknown} exists`)
  return documented.map(operation => {
    const entry = registry[operation.operationId]
    if (!entry) throw new Error(`test/http/operation-registry.ts lacks an entry for ${operation.operationId}`)
    return { ...operation, ...entry }
  })
}

export function operationNamed(operationId: string): RegisteredOperation {
  const operation = operations.find(operation => operation.operationId === operationId)
  if (!operation) throw new Error(`the document has no operation ${operationId}`)
  return operation
}

export const json = { 'content-type': 'application/json' }

/** @param id replaces the last id of the path; by default that of an existing resource */
export function pathOf({ path }: { path: string }, ids: Ids, id?: string): string {
  const last = id === undefined ? path : path.replace(/\{\w+\}(?=[^{]*$)/, () => id)
  return last.replaceAll(/\{(\w+)\}/g, (_, name: string) => idOf(name, ids))
}

/** Returns a request that succeeds, apart from the replaced parts. */
export function requestOf(
  operation: RegisteredOperation,
  ids: Ids,
  {
    body = operation.body && JSON.stringify(operation.body(ids)),
    id,
    headers = body === undefined ? {} : json,
  }: { body?: RawRequest['body'] | undefined; id?: string; headers?: Record<string, string> } = {},
): RawRequest {
  const { method, query } = operation
  const path = pathOf(operation, ids, id) + (query?.(ids) ?? '')
  return { method, path, headers, ...(body === undefined ? {} : { body }) }
}

export function addHeaders(request: RawRequest, headers: Record<string, string>): RawRequest {
  return { ...request, headers: { ...request.headers, ...headers } }
}

export type Send = (request: RawRequest) => Promise<RawReply>
/** Brings a PLACED order to PREPARING. */
export type Prepare = (orderId: string) => Promise<unknown>

/**
 * Returns the ids for a successful request: a resource that the operation removes, or an order that
 * has to be PREPARING, or an action, is created for it.
 */
export async function prepareIds(
  { consumes, needsPreparing, needsAction }: RegistryEntry,
  ids: Ids,
  send: Send,
  prepare: Prepare,
): Promise<Ids> {
  if (needsAction) {
    const { text } = await succeed(operationNamed('startOpsAction'), ids, send, unprepared)
    return { ...ids, action_id: (JSON.parse(text) as { action_id: string }).action_id }
  }
  const name = needsPreparing ? 'order_id' : consumes
  if (!name) return ids
  const id = await create(name, ids, send)
  if (needsPreparing) await prepare(id)
  return { ...ids, [name]: id }
}

/** Prepares and sends a successful request, and expects the success status of the document. */
export async function succeed(
  operation: RegisteredOperation,
  ids: Ids,
  send: Send,
  prepare: Prepare,
): Promise<RawReply> {
  const reply = await send(requestOf(operation, await prepareIds(operation, ids, send, prepare)))
  expectSuccess(operation, reply)
  return reply
}

export function expectSuccess({ operationId, successStatus }: Operation, reply: RawReply): void {
  expect(reply.status, `${operationId}: ${reply.text}`).to.equal(successStatus)
}

/** Creates one resource of each kind and returns their ids. */
export async function createResources(send: Send): Promise<Ids> {
  const ids = {} as Ids
  for (const name of Object.keys(creators) as IdName[]) ids[name] = await create(name, ids, send)
  return ids
}

async function create(name: IdName, ids: Ids, send: Send): Promise<string> {
  const { text } = await succeed(operationNamed(creators[name]), ids, send, unprepared)
  return (JSON.parse(text) as Ids)[name]
}

/** No resource is created from an order. */
const unprepared: Prepare = () => Promise.reject(new Error('nothing here needs an order that is PREPARING'))
