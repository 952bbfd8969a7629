import { ExpectedError, MissingScope, NotFound, type ResourceKind } from './errors.ts'

/** What a caller may do. Each operation asks for one of them. */
export const scopes = [
  'orders:read',
  'orders:write',
  'orders:status',
  'inventory:read',
  'inventory:write',
  'webhooks:read',
  'webhooks:write',
  'ops',
] as const

export type Scope = (typeof scopes)[number]

/** Who sends a request. */
export interface Caller {
  /** stable; what is kept by caller (idempotency keys, rate limits) is kept by it */
  id: string
  scopes: ReadonlySet<Scope>
  /** the restaurants that there are for this caller; undefined: all */
  restaurants: ReadonlySet<string> | undefined
}

/** Everybody, where callers are not told apart. */
export const ANYONE: Caller = { id: 'anyone', scopes: new Set(scopes), restaurants: undefined }

/** @throws forbidden */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.has(scope)) return
  throw new MissingScope(scope)
}

/** Whether there is this restaurant, for this caller. */
export function canAccess({ restaurants }: Caller, restaurantId: string): boolean {
  return restaurants === undefined || restaurants.has(restaurantId)
}

/**
 * What belongs to a restaurant that the caller is not bound to is not there: the same answer as for an unknown id.
 * @throws NotFound
 */
export function assertCanAccess(caller: Caller, restaurantId: string, kind: ResourceKind, id: string): void {
  if (!canAccess(caller, restaurantId)) throw new NotFound(kind, id)
}

/** A caller that is bound to restaurants cannot do what is not about one of them. @throws forbidden */
export function requireUnrestricted({ restaurants }: Caller): void {
  if (restaurants !== undefined)
    throw new ExpectedError('forbidden', 'Your token is restricted to certain restaurants and cannot add one')
}
