import { ExpectedError, MissingScope, NotFound, NotLocal, type ResourceKind } from './errors.ts'

/** The permissions of callers. Each operation requires one of them. */
export const scopes = [
  'orders:read',
  'orders:write',
  'orders:status',
  'inventory:read',
  'inventory:write',
  'webhooks:read',
  'webhooks:write',
  'ops',
  'ops:write',
] as const

export type Scope = (typeof scopes)[number]

/** The client that sends a request. */
export interface Caller {
  /** stable id, under which idempotency keys and rate limits of this caller are stored */
  id: string
  /** name of the API key or subject of the token; null: clients are not authenticated */
  name: string | null
  scopes: ReadonlySet<Scope>
  /** the restaurants that this caller may access; undefined means all */
  restaurants: ReadonlySet<string> | undefined
}

/** The caller of every request from this machine when `AUTH_MODE` is `none`. */
export const ANYONE: Caller = { id: 'anyone', name: null, scopes: new Set(scopes), restaurants: undefined }

/** The caller of all other requests then: may do everything but change what operators change. */
export const ANYONE_REMOTE: Caller = {
  ...ANYONE,
  scopes: new Set(scopes.filter(scope => scope !== 'ops:write')),
}

/** @throws forbidden */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.has(scope)) return
  if (caller.name === null) throw new NotLocal(scope)
  throw new MissingScope(scope)
}

/** Returns whether the caller may access the restaurant. */
export function canAccess({ restaurants }: Caller, restaurantId: string): boolean {
  return restaurants === undefined || restaurants.has(restaurantId)
}

/**
 * Requires access to the restaurant that a resource belongs to.
 * @throws NotFound, the same error as for an unknown id
 */
export function assertCanAccess(caller: Caller, restaurantId: string, kind: ResourceKind, id: string): void {
  if (!canAccess(caller, restaurantId)) throw new NotFound(kind, id)
}

/**
 * Requires a caller that is not restricted to certain restaurants.
 * @param what the caller cannot do, e.g. `add one`
 * @throws forbidden
 */
export function requireUnrestricted({ restaurants }: Caller, what: string): void {
  if (restaurants !== undefined)
    throw new ExpectedError('forbidden', `Your token is restricted to certain restaurants and cannot ${what}`)
}
