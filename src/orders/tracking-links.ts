import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { deriveApiKey } from '../db/read-api-secret.ts'
import type { Sql } from '../db/transaction.ts'

/** 128 bits, which cannot be guessed. */
const TOKEN_BYTES = 16
const TOKEN = /^[\w-]{22}$/

/**
 * Issues and verifies the links by which customers track their orders. The token of a link is an
 * HMAC of the order's id, so that nothing is stored, and every API process of the database issues
 * the same link again.
 */
export class TrackingLinks {
  readonly #key: KeyObject
  readonly #publicUrl: string

  constructor(key: KeyObject, publicUrl: string) {
    this.#key = key
    this.#publicUrl = publicUrl
  }

  /** Derives the key from the secret that all API processes of the database share. */
  static async open(sql: Sql, publicUrl: string): Promise<TrackingLinks> {
    return new TrackingLinks(await deriveApiKey(sql, 'tracking link'), publicUrl)
  }

  /** Returns the link. Browsers do not send the fragment, which has the token. */
  urlOf(orderId: string): string {
    return `${this.#publicUrl}/track/${orderId}#t=${this.#sign(orderId).toString('base64url')}`
  }

  /** Returns the representation of an order with its link. */
  addTo<Order extends { order_id: string }>(order: Order): Order & { tracking_url: string } {
    return { ...order, tracking_url: this.urlOf(order.order_id) }
  }

  /** Whether the token is that of the order's link. Takes the same time for every wrong token. */
  isGenuine(orderId: string, token: string): boolean {
    return TOKEN.test(token) && timingSafeEqual(Buffer.from(token, 'base64url'), this.#sign(orderId))
  }

  #sign(orderId: string): Buffer {
    return createHmac('sha256', this.#key).update(orderId).digest().subarray(0, TOKEN_BYTES)
  }
}
