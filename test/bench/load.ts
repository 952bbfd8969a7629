/** Orders to send to one API. */
export interface Load {
  baseUrl: string
  /** request bodies for POST /api/v1/orders, used in rotation */
  bodies: readonly string[]
  connections: number
  seconds: number
}

export interface LoadResult {
  /** accepted orders per second */
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** requests without a response, and responses other than 2xx */
  errors: number
}

export const ORDERS_PATH = '/api/v1/orders'
