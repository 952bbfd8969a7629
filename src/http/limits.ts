/** Limits of one request. The HTTP server has further ones, on time and connections. */

/** Longest body. An order of 100 lines is about 8 kB. */
export const MAX_BODY_BYTES = 256 * 1024

/** Deepest nesting of lists and objects in a body. An order has two levels. */
export const MAX_JSON_DEPTH = 32

/** Longest path with its query, in characters. */
export const MAX_URL_LENGTH = 8_192

/** All headers together, with the request line. */
export const MAX_HEADER_BYTES = 16 * 1024

/** Longest Idempotency-Key, in characters. */
export const MAX_KEY_LENGTH = 255
