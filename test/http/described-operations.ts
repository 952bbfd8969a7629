import { v7 as uuidv7 } from 'uuid'
import { orderStatuses } from '../../src/orders/order.ts'
import type { ResourceKind } from '../../src/platform/errors.ts'
import type { RawRequest } from './send.ts'
import {
  type WrongValue,
  wrongAmounts,
  wrongBooleans,
  wrongChoices,
  wrongCurrencies,
  wrongIdLists,
  wrongIds,
  wrongLists,
  wrongPatterns,
  wrongTexts,
  wrongUrls,
  wrongWholeNumbers,
} from './wrong-values.ts'

/** Ids of things that exist. */
export type Ids = Record<'restaurant_id' | 'menu_item_id' | 'order_id' | 'webhook_id' | 'delivery_id', string>

export interface DescribedOperation {
  operationId: string
  method: string
  path: string
  /** what the id in the path is of */
  resource?: ResourceKind
  /** a body that is right */
  body?: (ids: Ids) => object
  /** may be left out altogether */
  bodyOptional?: true
  /** by JSON Pointer into that body, what each field must refuse */
  fields?: Record<string, { wrong: WrongValue[]; required?: true }>
}

const anyLine = JSON.stringify({ menu_item_id: uuidv7(), quantity: 1 })
const MAX_STOCK = 1_000_000_000
const webhookPath = '/api/v1/webhooks/{webhook_id}'

/** Every operation with every field of its body. A new one fails a test of bad-input until it is described here. */
export const operations: DescribedOperation[] = [
  {
    operationId: 'placeOrder',
    method: 'POST',
    path: '/api/v1/orders',
    body: ({ restaurant_id, menu_item_id }) => ({
      restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
      customer_id: 'customer-42',
      notes: 'no basil',
    }),
    fields: {
      '/restaurant_id': { required: true, wrong: wrongIds() },
      '/items': { required: true, wrong: wrongLists(100, anyLine) },
      '/items/0/menu_item_id': { required: true, wrong: wrongIds() },
      '/items/0/quantity': { required: true, wrong: wrongWholeNumbers(1, 1_000) },
      '/customer_id': { wrong: wrongTexts(100) },
      '/notes': { wrong: wrongTexts(500) },
    },
  },
  { operationId: 'listOrders', method: 'GET', path: '/api/v1/orders' },
  { operationId: 'listRestaurants', method: 'GET', path: '/api/v1/restaurants' },
  {
    operationId: 'getMenu',
    method: 'GET',
    path: '/api/v1/restaurants/{restaurant_id}/menu',
    resource: 'restaurant',
  },
  { operationId: 'streamOrder', method: 'GET', path: '/api/v1/orders/{order_id}/stream', resource: 'order' },
  {
    operationId: 'streamRestaurant',
    method: 'GET',
    path: '/api/v1/restaurants/{restaurant_id}/stream',
    resource: 'restaurant',
  },
  {
    operationId: 'getOrderTimeline',
    method: 'GET',
    path: '/api/v1/orders/{order_id}/timeline',
    resource: 'order',
  },
  {
    operationId: 'getStats',
    method: 'GET',
    path: '/api/v1/restaurants/{restaurant_id}/stats',
    resource: 'restaurant',
  },
  { operationId: 'getOrder', method: 'GET', path: '/api/v1/orders/{order_id}', resource: 'order' },
  {
    operationId: 'changeOrderStatus',
    method: 'PATCH',
    path: '/api/v1/orders/{order_id}/status',
    resource: 'order',
    body: () => ({ status: 'CANCELLED' }),
    fields: { '/status': { required: true, wrong: wrongChoices(orderStatuses) } },
  },
  {
    operationId: 'cancelOrder',
    method: 'POST',
    path: '/api/v1/orders/{order_id}/cancel',
    resource: 'order',
    body: () => ({ reason: 'ordered by mistake' }),
    bodyOptional: true,
    fields: { '/reason': { wrong: wrongTexts(200) } },
  },
  {
    operationId: 'addRestaurant',
    method: 'POST',
    path: '/api/v1/inventory/add/restaurant',
    body: () => ({ name: 'Trattoria', currency: 'EUR' }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/currency': { wrong: wrongCurrencies() },
    },
  },
  {
    operationId: 'addMenuItem',
    method: 'POST',
    path: '/api/v1/inventory/add/{restaurant_id}/item',
    resource: 'restaurant',
    body: () => ({ name: 'Pizza', price: '9.50', available_qty: 10, low_stock_threshold: 3 }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/price': { wrong: wrongAmounts('must be an amount in EUR: at most 2 decimals, at most 10000000.00') },
      '/available_qty': { required: true, wrong: wrongWholeNumbers(0, MAX_STOCK) },
      '/low_stock_threshold': { wrong: wrongWholeNumbers(0, MAX_STOCK) },
    },
  },
  {
    operationId: 'getRestaurant',
    method: 'GET',
    path: '/api/v1/restaurants/{restaurant_id}',
    resource: 'restaurant',
  },
  {
    operationId: 'changeRestaurant',
    method: 'PATCH',
    path: '/api/v1/restaurants/{restaurant_id}',
    resource: 'restaurant',
    body: () => ({ name: 'Osteria', active: true }),
    fields: { '/name': { wrong: wrongTexts(200) }, '/active': { wrong: wrongBooleans() } },
  },
  {
    operationId: 'changeMenuItem',
    method: 'PATCH',
    path: '/api/v1/inventory/{menu_item_id}',
    resource: 'menu-item',
    body: () => ({ name: 'Pizza', price: '9.50', low_stock_threshold: 3, active: true }),
    fields: {
      '/name': { wrong: wrongTexts(200) },
      '/price': { wrong: wrongAmounts('must be an amount in EUR: at most 2 decimals, at most 10000000.00') },
      '/low_stock_threshold': {
        wrong: wrongWholeNumbers(0, MAX_STOCK).filter(({ json }) => json !== 'null'),
      },
      '/active': { wrong: wrongBooleans() },
    },
  },
  {
    operationId: 'restockItem',
    method: 'POST',
    path: '/api/v1/inventory/{menu_item_id}/restock',
    resource: 'menu-item',
    body: () => ({ quantity: 5, reason: 'delivery' }),
    fields: {
      '/quantity': { required: true, wrong: wrongWholeNumbers(1, MAX_STOCK) },
      '/reason': { required: true, wrong: wrongTexts(200) },
    },
  },
  {
    operationId: 'getMenuItem',
    method: 'GET',
    path: '/api/v1/inventory/{menu_item_id}',
    resource: 'menu-item',
  },
  {
    operationId: 'addWebhook',
    method: 'POST',
    path: '/api/v1/webhooks',
    body: ({ restaurant_id }) => ({
      url: 'https://example.com/hooks',
      event_types: ['order.*'],
      restaurant_ids: [restaurant_id],
      description: 'the kitchen display',
    }),
    fields: {
      '/url': { required: true, wrong: wrongUrls() },
      '/event_types': { wrong: wrongPatterns() },
      '/restaurant_ids': { wrong: wrongIdLists(1_000) },
      '/description': { wrong: wrongTexts(200) },
    },
  },
  { operationId: 'listWebhooks', method: 'GET', path: '/api/v1/webhooks' },
  { operationId: 'getWebhook', method: 'GET', path: webhookPath, resource: 'webhook' },
  {
    operationId: 'changeWebhook',
    method: 'PATCH',
    path: webhookPath,
    resource: 'webhook',
    body: ({ restaurant_id }) => ({
      url: 'https://example.com/other',
      event_types: ['order.*'],
      restaurant_ids: [restaurant_id],
      description: 'the kitchen display',
      status: 'DISABLED',
    }),
    fields: {
      '/url': { wrong: wrongUrls() },
      '/event_types': { wrong: wrongPatterns() },
      '/restaurant_ids': { wrong: wrongIdLists(1_000) },
      '/description': { wrong: wrongTexts(200).filter(({ json }) => json !== 'null') },
      '/status': { wrong: wrongChoices(['ACTIVE', 'DISABLED']) },
    },
  },
  {
    operationId: 'rotateWebhookSecret',
    method: 'POST',
    path: `${webhookPath}/rotate-secret`,
    resource: 'webhook',
  },
  { operationId: 'testWebhook', method: 'POST', path: `${webhookPath}/test`, resource: 'webhook' },
  {
    operationId: 'listWebhookDeliveries',
    method: 'GET',
    path: `${webhookPath}/deliveries`,
    resource: 'webhook',
  },
  {
    operationId: 'redeliverWebhookDelivery',
    method: 'POST',
    path: `${webhookPath}/deliveries/{delivery_id}/redeliver`,
    resource: 'delivery',
  },
  { operationId: 'deleteWebhook', method: 'DELETE', path: webhookPath, resource: 'webhook' },
]

export const json = { 'content-type': 'application/json' }

/** @param id of the last thing in the path; left out, that of something that exists */
export function pathOf({ path }: { path: string }, ids: Ids, id?: string): string {
  const last = id === undefined ? path : path.replace(/\{\w+\}(?=[^{]*$)/, () => id)
  return last.replaceAll(/\{(\w+)\}/g, (_, name: keyof Ids) => ids[name])
}

/** A request that is right but for what is given. */
export function requestOf(
  operation: DescribedOperation,
  ids: Ids,
  {
    body = rightBody(operation, ids),
    id,
    headers = json,
  }: { body?: RawRequest['body'] | undefined; id?: string; headers?: Record<string, string> } = {},
): RawRequest {
  const { method } = operation
  return { method, path: pathOf(operation, ids, id), ...(body === undefined ? {} : { body, headers }) }
}

function rightBody({ body }: DescribedOperation, ids: Ids): string | undefined {
  return body && JSON.stringify(body(ids))
}
