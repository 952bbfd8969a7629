import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Random bytes are drawn this many at once: a system call for each id would be a tenth of the API's time. */
const POOL_BYTES = 16 * 1024
const ID_BYTES = 16

const pool = new Uint8Array(POOL_BYTES)
/** Those of one id, taken out of the pool: a view of it for each id would be up to a twentieth of what a process allocates. */
const random = new Uint8Array(ID_BYTES)
let offset = POOL_BYTES
let lastMs = 0
let seq = 0

/** A UUIDv7. Those of one process are in the order they were made (RFC 9562, section 6.2, method 1). */
export function newId(): string {
  if (offset === POOL_BYTES) {
    randomFillSync(pool)
    offset = 0
  }
  for (let index = 0; index < ID_BYTES; index++) random[index] = pool[offset++] ?? 0
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    // Its highest bit is left free to count up.
    seq = ((random[6] ?? 0) << 23) | ((random[7] ?? 0) << 16) | ((random[8] ?? 0) << 8) | (random[9] ?? 0)
  } else {
    seq++
  }
  return v7({ random, msecs: lastMs, seq })
}

/** When an id of {@link newId} was made, to the millisecond. */
export function timeOfId(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
}
