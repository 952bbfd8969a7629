import { transitions } from '../../orders/order.ts'
import type { View } from '../views/view.ts'

const legalTransitions = Object.entries(transitions)
  .flatMap(([from, tos]) => tos.map(to => `('${from}', '${to}')`))
  .join(', ')

/**
 * The history of an order is gapless and legal. READY and UNREADY alternate while the order is
 * PREPARING.
 */
export const historyInvariant: View = {
  name: 'check_history',
  comment:
    'Orders whose history has a gap or an illegal transition, or does not end in their status and ready_at',
  columns: {
    order_id: 'id of the order',
    restaurant_id: 'restaurant of the order',
    status: 'status of the order',
    steps: 'number of transitions',
    last_seq: 'sequence number of the last transition',
    last_status: 'status after the last transition',
    ready_at: 'ready_at of the order',
    last_ready_at: 'time of the last READY, unless it was taken back',
  },
  sql: `
    select order_id, restaurant_id, o.status, h.steps, h.last_seq, h.last_status, o.ready_at, h.last_ready_at
    from orders as o
    full join (
      select order_id, restaurant_id, count(*) as steps, max(seq) as last_seq,
        (array_agg(to_status order by seq desc))[1] as last_status,
        (array_agg(case fact when 'READY' then at end order by seq desc) filter (where fact is not null))[1] as last_ready_at,
        bool_and(
          case
            when seq = 1 then from_status is null and to_status = 'PLACED' and fact is null
            when fact is not null then previous = 'PREPARING' and from_status = previous and to_status = previous
              and (fact = 'READY') = (previous_fact is distinct from 'READY')
            else from_status = previous and (from_status, to_status) in (${legalTransitions})
          end
        ) as legal
      from (
        select *, lag(to_status) over history as previous, lag(fact) over history as previous_fact
        from order_transitions
        window history as (partition by order_id, restaurant_id order by seq)
      ) as steps
      group by order_id, restaurant_id
    ) as h using (order_id, restaurant_id)
    where h.legal is not true
      or h.steps <> h.last_seq
      or h.last_seq <> o.version
      or h.last_status <> o.status
      or h.last_ready_at is distinct from o.ready_at`,
}
