/**
 * Returns a new Idempotency-Key: 32 hexadecimal digits. Pages without TLS have no
 * `crypto.randomUUID`.
 */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
