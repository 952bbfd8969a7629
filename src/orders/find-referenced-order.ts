import type { Sql } from '../db/transaction.ts'
import { ClientReferenceReused } from '../platform/errors.ts'
import type { PlaceOrder } from './decide-placement.ts'
import { type OrderRecord, readOrder } from './order-queries.ts'

/**
 * Returns the order that has the client's reference of the request already, or undefined.
 * @throws ClientReferenceReused when that order was placed with another body
 */
export async function findReferencedOrder(
  sql: Sql,
  { restaurant_id, client_reference, fingerprint }: PlaceOrder,
): Promise<OrderRecord | undefined> {
  if (client_reference === undefined) return undefined
  const [earlier] = await sql.query<{ order_id: string; fingerprint: string }>(findSql, [
    client_reference,
    restaurant_id,
  ])
  if (!earlier) return undefined
  if (earlier.fingerprint !== fingerprint) throw new ClientReferenceReused(earlier.order_id)
  return await readOrder(sql, earlier.order_id)
}

const findSql = `
  select order_id, fingerprint
  from order_references
  where client_reference = $1
    and restaurant_id = $2
`
