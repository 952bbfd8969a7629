import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import { nowMs } from './clock.ts'

/**
 * The smallest and the largest UUID (RFC 9562, sections 5.9 and 5.10): bounds of a scan over ids.
 */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000'
export const MAX_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** Random bytes per system call. One system call per id would take a tenth of the API's time. */
const POOL_BYTES = 16 * 1024
const ID_BYTES = 16
const TEXT_LENGTH = 36

const pool = new Uint8Array(POOL_BYTES)
let offset = POOL_BYTES
// Buffers are reused: concatenating strings for the three ids of an order was a twentieth of all
// allocations.
const options = { random: new Uint8Array(ID_BYTES), msecs: 0, seq: 0 }
const bytes = new Uint8Array(ID_BYTES)
const text = Buffer.alloc(TEXT_LENGTH, '-')

/**
 * Returns a new UUIDv7 of the database's time. Ids of one process ascend (RFC 9562, section 6.2,
 * method 1), also when its clock is corrected backwards.
 * @throws ClockUnknown before a database has been opened
 */
export function newId(): string {
  if (offset === POOL_BYTES) {
    randomFillSync(pool)
    offset = 0
  }
  const { random } = options
  for (let index = 0; index < ID_BYTES; index++) random[index] = pool[offset++] ?? 0
  const now = nowMs()
  if (now > options.msecs) {
    options.msecs = now
    // The highest bit is zero, so that the counter can grow.
    options.seq =
      ((random[6] ?? 0) << 23) | ((random[7] ?? 0) << 16) | ((random[8] ?? 0) << 8) | (random[9] ?? 0)
  } else {
    options.seq++
  }
  v7(options, bytes)
  return textOf()
}

const HEX_DIGITS = Buffer.from('0123456789abcdef')
/** Bit mask of the bytes that follow a dash. */
const DASHES = 0b0000_0101_0101_0000

function textOf(): string {
  let at = 0
  for (const [index, byte] of bytes.entries()) {
    if ((DASHES >> index) & 1) at++
    text[at++] = HEX_DIGITS[byte >> 4] ?? 0
    text[at++] = HEX_DIGITS[byte & 0xf] ?? 0
  }
  return text.toString('latin1')
}

/** Returns the smallest UUIDv7 of a time, as the SQL function `uuidv7_at` does. */
export function firstIdOf(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return time.length > 12 ? MAX_UUID : `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`
}

/** Returns the time of a UUIDv7, to the millisecond. */
export function timeOfId(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
}
