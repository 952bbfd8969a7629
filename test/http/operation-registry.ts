import { v7 as uuidv7 } from 'uuid'
import { actionKindNames } from '../../src/ops/actions/action-kinds.ts'
import { orderStatuses } from '../../src/orders/order.ts'
import type { IdName, Ids } from './successful-requests.ts'
import {
  butNull,
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
  wrongTimes,
  wrongTimeZones,
  wrongUrls,
  wrongWholeNumbers,
} from './wrong-values.ts'

/** How to succeed at an operation. Its method, path and statuses are in the OpenAPI document. */
export interface RegistryEntry {
  query?: (ids: Ids) => string
  /** Returns a valid body. */
  body?: (ids: Ids) => object
  /** The resource that a successful request removes; it is created for each request. */
  consumes?: IdName
  /** The order has to be PREPARING: it is placed and prepared for each request. */
  needsPreparing?: true
  /** An action of operators is created for each request. */
  needsAction?: true
  /** The delivery has to be waiting: a running worker may have finished it. */
  needsNoWorker?: true
  /** Every field of the body by JSON Pointer, with the values that it rejects. */
  fields?: Record<string, { wrong: WrongValue[]; required?: true }>
}

const anyLine = JSON.stringify({ menu_item_id: uuidv7(), quantity: 1 })
const MAX_STOCK = 1_000_000_000

/** Fields of the body of each change by an operator. */
const opsChangeFields = {
  '/reason': { required: true as const, wrong: wrongTexts(500, 'several lines') },
  '/actor': { wrong: butNull(wrongTexts(100)) },
}

const opsChange: RegistryEntry = {
  body: () => ({ reason: 'the supplier recounts', actor: 'ada' }),
  fields: opsChangeFields,
}

/** The kinds of actions are in lower case, as one of the wrong values of other choices is. */
const kinds = new Set(actionKindNames.map(kind => JSON.stringify(kind)))

/** Fields of an action on many objects. */
const actionFields: NonNullable<RegistryEntry['fields']> = {
  '/kind': {
    required: true,
    wrong: wrongChoices(actionKindNames).filter(({ json }) => !kinds.has(json)),
  },
  '/filter': {
    required: true,
    wrong: ['null', '1', '"x"', '[]'].map(json => ({ name: json, json, detail: 'must be an object' })),
  },
  '/filter/id': { wrong: butNull(wrongIds()) },
  '/filter/queue': { wrong: butNull(wrongTexts(200)) },
  '/filter/type': { wrong: butNull(wrongTexts(200)) },
  '/filter/error': { wrong: butNull(wrongTexts(200)) },
  '/filter/since': { wrong: butNull(wrongTimes()) },
  '/filter/until': { wrong: butNull(wrongTimes()) },
  '/filter/state': { wrong: butNull(wrongTexts(200)) },
  '/filter/webhook_id': { wrong: butNull(wrongIds()) },
}

/**
 * One entry per operationId, shared by the contract, authorisation, input and fuzz tests. An
 * operation without an entry fails every one of them by its name.
 */
export const registry: Readonly<Record<string, RegistryEntry>> = {
  placeOrder: {
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
      '/customer_id': { wrong: butNull(wrongTexts(100)) },
      '/client_reference': { wrong: butNull(wrongTexts(64)) },
      '/notes': { wrong: butNull(wrongTexts(500, 'several lines')) },
    },
  },
  listOrders: { query: ({ restaurant_id }) => `?restaurant_id=${restaurant_id}` },
  listRestaurants: {},
  getMenu: {},
  streamOrder: {},
  streamRestaurant: {},
  getOrderTimeline: {},
  getStats: { query: () => '?granularity=day' },
  getOrder: {},
  markOrderReady: { needsPreparing: true },
  unmarkOrderReady: { needsPreparing: true },
  changeOrderStatus: {
    body: () => ({ status: 'CANCELLED' }),
    fields: { '/status': { required: true, wrong: wrongChoices(orderStatuses) } },
  },
  cancelOrder: {
    body: () => ({ reason: 'ordered by mistake' }),
    fields: { '/reason': { wrong: butNull(wrongTexts(200, 'several lines')) } },
  },
  addRestaurant: {
    body: () => ({ name: 'Trattoria', currency: 'EUR', time_zone: 'Europe/Rome' }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/currency': { wrong: butNull(wrongCurrencies()) },
      '/time_zone': { wrong: butNull(wrongTimeZones()) },
    },
  },
  addMenuItem: {
    body: () => ({ name: 'Pizza', price: '9.50', available_qty: 100, low_stock_threshold: 3 }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/price': {
        wrong: butNull(wrongAmounts('must be an amount in EUR: at most 2 decimals, at most 10000000.00')),
      },
      '/available_qty': { required: true, wrong: wrongWholeNumbers(0, MAX_STOCK) },
      '/low_stock_threshold': { wrong: butNull(wrongWholeNumbers(0, MAX_STOCK)) },
    },
  },
  getRestaurant: {},
  changeRestaurant: {
    body: () => ({
      name: 'Osteria',
      time_zone: 'Europe/Rome',
      active: true,
      inactive_until: null,
      inactive_reason: null,
    }),
    fields: {
      '/name': { wrong: wrongTexts(200) },
      '/time_zone': { wrong: wrongTimeZones() },
      '/active': { wrong: wrongBooleans() },
      '/inactive_until': { wrong: butNull(wrongTimes()) },
      '/inactive_reason': { wrong: butNull(wrongTexts(200, 'several lines')) },
    },
  },
  changeMenuItem: {
    body: () => ({
      name: 'Pizza',
      price: '9.50',
      low_stock_threshold: 3,
      active: true,
      inactive_until: null,
      inactive_reason: null,
    }),
    fields: {
      '/name': { wrong: wrongTexts(200) },
      '/price': { wrong: wrongAmounts('must be an amount in EUR: at most 2 decimals, at most 10000000.00') },
      '/low_stock_threshold': { wrong: butNull(wrongWholeNumbers(0, MAX_STOCK)) },
      '/active': { wrong: wrongBooleans() },
      '/inactive_until': { wrong: butNull(wrongTimes()) },
      '/inactive_reason': { wrong: butNull(wrongTexts(200, 'several lines')) },
    },
  },
  restockItem: {
    body: () => ({ quantity: 5, reason: 'delivery' }),
    fields: {
      '/quantity': { required: true, wrong: wrongWholeNumbers(1, MAX_STOCK) },
      '/reason': { required: true, wrong: wrongTexts(200, 'several lines') },
    },
  },
  adjustStock: {
    body: () => ({ quantity: -1, reason_code: 'WASTE', reason: 'dropped a plate' }),
    fields: {
      '/quantity': {
        required: true,
        wrong: [
          ...wrongWholeNumbers(-MAX_STOCK, MAX_STOCK).filter(({ json }) => json !== '-1'),
          { name: 'zero', json: '0', detail: 'must not be 0' },
        ],
      },
      '/reason_code': { required: true, wrong: wrongChoices(['WASTE', 'CORRECTION', 'THEFT', 'OTHER']) },
      '/reason': { wrong: butNull(wrongTexts(200, 'several lines')) },
    },
  },
  getMenuItem: {},
  addWebhook: {
    body: ({ restaurant_id }) => ({
      url: 'https://example.com/hooks',
      event_types: ['order.*'],
      restaurant_ids: [restaurant_id],
      description: 'the kitchen display',
    }),
    fields: {
      '/url': { required: true, wrong: wrongUrls() },
      '/event_types': { wrong: butNull(wrongPatterns()) },
      '/restaurant_ids': { wrong: butNull(wrongIdLists(1_000)) },
      '/description': { wrong: butNull(wrongTexts(200)) },
    },
  },
  listWebhooks: {},
  getWebhook: {},
  changeWebhook: {
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
      '/description': { wrong: butNull(wrongTexts(200)) },
      '/status': { wrong: wrongChoices(['ACTIVE', 'DISABLED']) },
    },
  },
  rotateWebhookSecret: {},
  testWebhook: {},
  listWebhookDeliveries: {},
  redeliverWebhookDelivery: {},
  getOpsOverview: {},
  searchOps: { query: ({ order_id }) => `?q=${order_id}` },
  getOpsOrder: {},
  countOpsDeadLetters: {},
  listOpsJobs: { query: () => '?queue=inventory.deduct' },
  listOpsDeadLetters: {},
  listOpsQuarantinedEvents: {},
  listOpsWebhooks: {},
  pauseOpsQueue: opsChange,
  resumeOpsQueue: opsChange,
  retryOpsJob: { ...opsChange, needsNoWorker: true },
  testOpsWebhook: opsChange,
  pauseOpsWebhook: opsChange,
  resumeOpsWebhook: opsChange,
  redeliverOpsDelivery: opsChange,
  previewOpsAction: {
    body: () => ({ kind: 'dead-letters.redrive', filter: { queue: 'inventory.deduct' } }),
    fields: actionFields,
  },
  startOpsAction: {
    body: () => ({
      kind: 'dead-letters.redrive',
      filter: { queue: 'inventory.deduct' },
      reason: 'the lock is gone',
      actor: 'ada',
    }),
    fields: {
      ...actionFields,
      ...opsChangeFields,
      '/expected_count': { wrong: butNull(wrongWholeNumbers(0, 100_000)) },
    },
  },
  listOpsActions: {},
  getOpsAction: { needsAction: true },
  cancelOpsAction: { ...opsChange, needsAction: true },
  deleteWebhook: { consumes: 'webhook_id' },
}
