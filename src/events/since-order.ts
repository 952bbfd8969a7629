import { NIL_UUID } from '../platform/ids.ts'

/**
 * Returns an SQL condition on an event `e` of an order, which spares the partitions of the outbox
 * that are older than the order. Clocks differ by less than a minute. An order whose id has no time
 * has no bound.
 * @param order alias of a row with the column `order_id`
 */
export const sinceOrderSql = (order: string) =>
  `e.event_id >= coalesce(uuidv7_at(uuid_extract_timestamp(${order}.order_id) - interval '1 minute'), '${NIL_UUID}')`
