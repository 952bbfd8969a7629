import { newId } from '../../platform/ids.ts'

const REQUEST_ID = /^[\w.:-]{1,64}$/

/** The caller's `X-Request-Id`, when it is one, else a new one; every log line and event of the request carries it. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId()
}
