/**
 * Encodes the columns of many rows as array parameters for `unnest($1::uuid[], $2::text[], …)`, in
 * Postgres' binary array format (`array_recv`: dimensions, has-nulls flag, element type; length and
 * lower bound; each element after its length). Parsing the same rows as JSON with
 * `json_to_recordset` took a fifth of Postgres' time under load.
 */

type Value<T> = T | null | undefined

const HEADER_BYTES = 20
const NULL_LENGTH = -1
/** 2000-01-01, the epoch of Postgres timestamps, in ms since 1970. */
const POSTGRES_EPOCH_MS = 946_684_800_000
const JSONB_VERSION = '\u0001'

/**
 * @param values ids in lower or upper case, with dashes
 * @throws TypeError for an invalid id
 */
export function uuids(values: readonly Value<string>[]): Buffer {
  return fixedWidth(2950, 16, values, writeUuid)
}

export function smallints(values: readonly Value<number>[]): Buffer {
  return fixedWidth(21, 2, values, (buffer, value, at) => buffer.writeInt16BE(value, at))
}

export function integers(values: readonly Value<number>[]): Buffer {
  return fixedWidth(23, 4, values, (buffer, value, at) => buffer.writeInt32BE(value, at))
}

/** @throws RangeError for a number that is no integer */
export function bigints(values: readonly Value<number>[]): Buffer {
  return fixedWidth(20, 8, values, (buffer, value, at) => buffer.writeBigInt64BE(BigInt(value), at))
}

export function timestamps(values: readonly Value<Date>[]): Buffer {
  return fixedWidth(1184, 8, values, (buffer, value, at) =>
    buffer.writeBigInt64BE(BigInt(value.getTime() - POSTGRES_EPOCH_MS) * 1_000n, at),
  )
}

export function texts(values: readonly Value<string>[]): Buffer {
  return variableWidth(25, values)
}

/** Encodes null as SQL null, not as JSON null. */
export function jsonbs(values: readonly unknown[]): Buffer {
  return variableWidth(
    3802,
    values.map(value =>
      value === null || value === undefined ? null : JSONB_VERSION + JSON.stringify(value),
    ),
  )
}

function fixedWidth<T>(
  elementType: number,
  width: number,
  values: readonly Value<T>[],
  write: (buffer: Buffer, value: T, at: number) => void,
): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (4 + width))
  let at = writeHeader(buffer, elementType, values.length)
  for (const value of values) {
    if (value === null || value === undefined) {
      at = buffer.writeInt32BE(NULL_LENGTH, at)
      continue
    }
    at = buffer.writeInt32BE(width, at)
    write(buffer, value, at)
    at += width
  }
  return buffer.subarray(0, at)
}

function variableWidth(elementType: number, values: readonly Value<string>[]): Buffer {
  const lengths = values.map(value =>
    value === null || value === undefined ? NULL_LENGTH : Buffer.byteLength(value),
  )
  const bytes = lengths.reduce((sum, length) => sum + 4 + Math.max(0, length), HEADER_BYTES)
  const buffer = Buffer.allocUnsafe(bytes)
  let at = writeHeader(buffer, elementType, values.length)
  for (const [index, value] of values.entries()) {
    at = buffer.writeInt32BE(lengths[index] ?? NULL_LENGTH, at)
    if (value !== null && value !== undefined) at += buffer.write(value, at)
  }
  return buffer
}

/** @returns the offset of the first element */
function writeHeader(buffer: Buffer, elementType: number, count: number): number {
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(elementType, 8)
  buffer.writeInt32BE(count, 12)
  return buffer.writeInt32BE(1, 16)
}

const HEX_DIGITS = '0123456789abcdef'
const HEX_VALUES = new Uint8Array(128)
for (const [value, digit] of Array.from(HEX_DIGITS).entries()) {
  HEX_VALUES[digit.charCodeAt(0)] = value
  HEX_VALUES[digit.toUpperCase().charCodeAt(0)] = value
}
/** Positions in the text of a UUID at which each byte begins. */
const UUID_BYTES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function writeUuid(buffer: Buffer, uuid: string, at: number): void {
  if (!UUID.test(uuid)) throw new TypeError(`not a UUID: ${JSON.stringify(uuid)}`)
  let next = at
  for (const digit of UUID_BYTES)
    buffer[next++] =
      ((HEX_VALUES[uuid.charCodeAt(digit)] ?? 0) << 4) | (HEX_VALUES[uuid.charCodeAt(digit + 1)] ?? 0)
}
