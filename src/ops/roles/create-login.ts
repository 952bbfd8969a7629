import type { Database } from '../../db/database.ts'
import { scramVerifier } from '../../db/scram-verifier.ts'

/** The processes that may have a login of their own, and the group that each is put into. */
export const loginGroups = {
  api: 'comanda_api',
  dispatcher: 'comanda_dispatcher',
  worker: 'comanda_worker',
  dashboard: 'comanda_dashboard',
} as const

export type LoginRole = keyof typeof loginGroups

/**
 * Makes a login that may do what `role` may, or gives it this password. The server is sent only what it stores of it.
 * Atomic: the login has both, or neither.
 * @param login of lowercase letters, digits and underscores
 * @throws the server's error when the group is not there, or the owner may not create roles
 */
export async function createLogin(
  database: Database,
  role: LoginRole,
  login: string,
  password: string,
): Promise<void> {
  await database.transaction(async tx => {
    const there = await tx.query('select from pg_roles where rolname = $1', [login])
    if (there.length === 0) await tx.execute(`create role ${login} login`)
    await tx.execute(`alter role ${login} login password '${scramVerifier(password)}'`)
    await tx.execute(`grant ${loginGroups[role]} to ${login}`)
  })
}
