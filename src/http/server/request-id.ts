import { newId } from '../../platform/ids.ts'

const REQUEST_ID = /^[\w.:-]{1,64}$/

/** Returns the client's `X-Request-Id` when it is well-formed, else a new id. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && REQUEST_ID.test(header) ? header : newId()
}
