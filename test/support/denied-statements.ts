/** The "permission denied" errors of statements that the grants of a role do not cover. */
const deniedStatements = new Set<string>()

/** Collects each "permission denied" error in a role's log. */
export function collectDeniedStatements(log: string): void {
  for (const [message] of log.matchAll(/permission denied for \w+ \w+/g)) deniedStatements.add(message)
}

/**
 * Fails the test with the missing grant. Without this check the test would time out, because jobs
 * are retried after any error.
 * @throws Error naming each table
 */
export function expectNoDeniedStatements(): void {
  if (deniedStatements.size > 0)
    throw new Error(`a role lacks a grant (grant-roles.ts): ${[...deniedStatements].join(', ')}`)
}
