import type { Database } from '../../db/database.ts'
import { scramVerifier } from '../../db/scram-verifier.ts'

/** What may have a login of its own, with the group role of each. */
export const loginGroups = {
  api: 'comanda_api',
  dispatcher: 'comanda_dispatcher',
  worker: 'comanda_worker',
  dashboard: 'comanda_dashboard',
  operations: 'comanda_operations',
} as const

export type LoginRole = keyof typeof loginGroups

/**
 * Creates a login with the rights of `role`, or sets the password of an existing login. Only the
 * SCRAM verifier of the password is sent to the server. Atomic: the login gets both, or neither.
 * @param login of lowercase letters, digits and underscores
 * @throws the error of the server when the group does not exist, or the owner may not create roles
 */
export async function createLogin(
  database: Database,
  role: LoginRole,
  login: string,
  password: string,
): Promise<void> {
  await database.transaction(async tx => {
    const existing = await tx.query('select from pg_roles where rolname = $1', [login])
    if (existing.length === 0) await tx.execute(`create role ${login} login`)
    await tx.execute(`alter role ${login} login password '${scramVerifier(password)}'`)
    await tx.execute(`grant ${loginGroups[role]} to ${login}`)
  })
}
