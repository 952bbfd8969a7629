import { randomBytes } from 'node:crypto'
import type { Database } from '../../src/db/database.ts'
import { createLogin } from '../../src/ops/roles/create-login.ts'

export const processRoles = ['api', 'dispatcher', 'worker'] as const

export type ProcessRole = (typeof processRoles)[number]

/** The roles that have a login with restricted privileges. An API may also have `operations`. */
export const roles = [...processRoles, 'operations'] as const

export type Role = (typeof roles)[number]

/** Unique per run, because all databases of a server share their logins. */
const suffix = randomBytes(4).toString('hex')
const password = randomBytes(12).toString('hex')

const loginOf = (role: Role) => `comanda_test_${role}_${suffix}`

/** Creates one login per role, a member of the group of its role. */
export async function createRoleLogins(database: Database): Promise<void> {
  for (const role of roles) await createLogin(database, role, loginOf(role), password)
}

export async function dropRoleLogins(database: Database): Promise<void> {
  for (const role of roles) await database.execute(`drop role if exists ${loginOf(role)}`)
}

/** Returns `url` with the login of `role` instead of the owner's. */
export function asRole(role: Role, url: string): string {
  const own = new URL(url)
  own.username = loginOf(role)
  own.password = password
  return own.href
}
