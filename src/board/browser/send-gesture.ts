import type { Answer, Api } from '../../pages/browser/api.ts'
import type { Gesture } from './gestures.ts'

const requests = {
  ready: { method: 'PUT', path: 'ready', body: undefined },
  recall: { method: 'DELETE', path: 'ready', body: undefined },
  out: { method: 'PATCH', path: 'status', body: { status: 'OUT_FOR_DELIVERY' } },
  delivered: { method: 'PATCH', path: 'status', body: { status: 'DELIVERED' } },
  cancel: { method: 'POST', path: 'cancel', body: {} },
} as const

/**
 * Sends a gesture. Sent again, it has no second effect, and it changes nothing when another screen
 * has changed the order since.
 * @param keepalive the request outlives the page
 */
export async function sendGesture(
  api: Api,
  { order_id, action, version, key }: Gesture,
  keepalive: boolean,
): Promise<Answer> {
  const headers = { 'idempotency-key': key, 'if-match': `"${version}"` }
  const { method, path, body } = requests[action]
  return await api.call(`api/v1/orders/${order_id}/${path}`, { method, body, headers, keepalive })
}
