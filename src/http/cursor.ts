import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { readApiSecret } from '../db/read-api-secret.ts'
import type { Sql } from '../db/transaction.ts'
import { expectedError } from './problem.ts'

const SIGNATURE_BYTES = 16

/** Issues and verifies cursors: opaque positions in lists, signed for one list with its filters. */
export class Cursors {
  readonly #secret: KeyObject

  constructor(secret: KeyObject) {
    this.#secret = secret
  }

  /** Reads the secret that all API processes of the database share. */
  static async open(sql: Sql): Promise<Cursors> {
    return new Cursors(await readApiSecret(sql))
  }

  /**
   * @param list the list with its filters, for which alone the cursor is valid
   * @param position sort key of the last row of the page
   */
  issue(list: string, position: readonly string[]): string {
    const payload = Buffer.from(JSON.stringify(position))
    return Buffer.concat([this.#sign(list, payload), payload]).toString('base64url')
  }

  /** @throws cursor-invalid when the cursor was not issued for this list */
  read(list: string, cursor: string): string[] {
    const bytes = Buffer.from(cursor, 'base64url')
    const [signature, payload] = [bytes.subarray(0, SIGNATURE_BYTES), bytes.subarray(SIGNATURE_BYTES)]
    const isGenuine =
      signature.length === SIGNATURE_BYTES &&
      timingSafeEqual(signature, this.#sign(list, payload)) &&
      bytes.toString('base64url') === cursor
    if (isGenuine) return JSON.parse(payload.toString()) as string[]
    throw expectedError('cursor-invalid')
  }

  #sign(list: string, payload: Buffer): Buffer {
    const hmac = createHmac('sha256', this.#secret)
      .update(`${Buffer.byteLength(list)}:${list}`)
      .update(payload)
    return hmac.digest().subarray(0, SIGNATURE_BYTES)
  }
}
