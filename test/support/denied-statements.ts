/** What Postgres answered to statements that the grants of a role do not cover. */
const deniedStatements = new Set<string>()

/** Remembers each "permission denied" in a role's log. */
export function collectDeniedStatements(log: string): void {
  for (const [message] of log.matchAll(/permission denied for \w+ \w+/g)) deniedStatements.add(message)
}

/**
 * Jobs retry, and requests answer 500, after any error: without this, a missing grant shows as a timeout.
 * @throws naming what the grants lack
 */
export function expectNoDeniedStatements(): void {
  if (deniedStatements.size > 0)
    throw new Error(`a role lacks a grant (grant-roles.ts): ${[...deniedStatements].join(', ')}`)
}
