import { type Bench, untilDrained } from './bench.ts'

/**
 * Waits until the pipeline has drained, and counts the orders placed between two times that became
 * PREPARING.
 * @returns orders per second from `since` to the last PREPARING, and the time of that
 */
export async function processedBetween(
  bench: Pick<Bench, 'system'>,
  since: Date,
  until: Date,
): Promise<{ perSecond: number; lastAt: Date }> {
  await untilDrained(bench)
  const [row] = await bench.system.query<{ orders: string; at: Date }>(
    `select count(*) as orders, max(prepared.at) as at
    from order_transitions as placed
    join order_transitions as prepared using (restaurant_id, order_id)
    where placed.seq = 1 and placed.at between $1 and $2
    and prepared.seq = 2 and prepared.to_status = 'PREPARING'`,
    [since, until],
  )
  const lastAt = row?.at ?? until
  return { perSecond: Number(row?.orders) / ((lastAt.getTime() - since.getTime()) / 1_000), lastAt }
}
