import { errorCode } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'

/** A restaurant whose statistics cannot be counted, and why. */
export interface FailedStatistics {
  restaurant_id: string
  error: string
}

/**
 * Returns whether an error is the fault of the data: class 22 (data exception), 23 (integrity
 * constraint violation) or 0A (feature not supported: an infinite time has no number). All others
 * concern every restaurant.
 */
export function isDataError(error: unknown): error is Error {
  return /^(22|23|0A)/.test(errorCode(error) ?? '')
}

/**
 * Finds the restaurants that `count` fails for, by halves, and sets their statistics aside: they
 * stay as they are until `npm run stats:rebuild`.
 * @param count counts the statistics of these restaurants only; what it writes is undone
 * @param limit failed restaurants to find at most
 * @returns the restaurants; empty if `count` fails for none of them alone
 */
export async function setAsideFailing(
  tx: Tx,
  restaurants: readonly string[],
  count: (restaurants: readonly string[]) => Promise<unknown>,
  limit: number,
): Promise<FailedStatistics[]> {
  const failed: FailedStatistics[] = []
  const groups = [restaurants]
  for (let group = groups.pop(); group && failed.length < limit; group = groups.pop()) {
    const error = await errorOf(tx, group, count)
    const [restaurant_id] = group
    if (!error || restaurant_id === undefined) continue
    const half = Math.floor(group.length / 2)
    if (half === 0) failed.push({ restaurant_id, error })
    else groups.push(group.slice(0, half), group.slice(half))
  }
  await tx.execute(setAsideSql, [
    failed.map(({ restaurant_id }) => restaurant_id),
    failed.map(({ error }) => error),
  ])
  return failed
}

class Undo extends Error {}

/** Returns why `count` fails for a group of restaurants, or undefined. */
async function errorOf(
  tx: Tx,
  group: readonly string[],
  count: (restaurants: readonly string[]) => Promise<unknown>,
): Promise<string | undefined> {
  try {
    return await tx.savepoint(async () => {
      await count(group)
      throw new Undo()
    })
  } catch (error) {
    if (error instanceof Undo) return undefined
    if (isDataError(error)) return error.message
    throw error
  }
}

const setAsideSql = `
  insert into failed_statistics (restaurant_id, as_of, error)
  select failed.restaurant_id, c.as_of, failed.error
  from unnest($1::uuid[], $2::text[]) as failed (restaurant_id, error)
  cross join projection_cursors as c
  where c.projection = 'stats'
  on conflict (restaurant_id) do update
  set error = excluded.error
`
