import { transitions } from '../../orders/order.ts'
import type { View } from '../views/view.ts'

const legalTransitions = Object.entries(transitions)
  .flatMap(([from, tos]) => tos.map(to => `('${from}', '${to}')`))
  .join(', ')

/** The history of an order is gapless and legal. */
export const historyInvariant: View = {
  name: 'check_history',
  comment: 'Orders whose history has a gap or an illegal transition, or does not end in their status',
  columns: {
    order_id: 'id of the order',
    restaurant_id: 'restaurant of the order',
    status: 'status of the order',
    steps: 'number of transitions',
    last_seq: 'sequence number of the last transition',
    last_status: 'status after the last transition',
  },
  sql: `
    select order_id, restaurant_id, o.status, h.steps, h.last_seq, h.last_status
    from orders as o
    full join (
      select order_id, restaurant_id, count(*) as steps, max(seq) as last_seq,
        (array_agg(to_status order by seq desc))[1] as last_status,
        bool_and(
          case seq
            when 1 then from_status is null and to_status = 'PLACED'
            else from_status = previous and (from_status, to_status) in (${legalTransitions})
          end
        ) as legal
      from (
        select *, lag(to_status) over (partition by order_id, restaurant_id order by seq) as previous
        from order_transitions
      ) as steps
      group by order_id, restaurant_id
    ) as h using (order_id, restaurant_id)
    where h.legal is not true
      or h.steps <> h.last_seq
      or h.last_seq <> o.version
      or h.last_status <> o.status`,
}
