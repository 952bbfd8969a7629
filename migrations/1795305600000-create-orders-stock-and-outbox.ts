import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Every table of the order side. `restaurant_id` is part of every key: with it the schema can be distributed. */
export class CreateOrdersStockAndOutbox1795305600000 implements MigrationInterface {
  name = 'CreateOrdersStockAndOutbox1795305600000'

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...restaurantsAndMenu, ...orders, ...stock, ...events])
      await runner.query(statement)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table dead_letters, processed_events, outbox_events, stock_movements,
        order_transitions, order_items, orders, menu_items, restaurants
    `)
  }
}

const restaurantsAndMenu = [
  `create table restaurants (
    restaurant_id uuid not null,
    name text not null,
    currency text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint restaurants_are_known_by_id primary key (restaurant_id),
    constraint currencies_are_iso_4217_codes check (currency ~ '^[A-Z]{3}$')
  )`,
  // Stock changes in place all day long: room on each page keeps those updates out of the indexes.
  `create table menu_items (
    menu_item_id uuid not null,
    restaurant_id uuid not null,
    name text not null,
    price_minor bigint not null,
    available_qty integer not null,
    low_stock_threshold integer,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint menu_items_are_known_by_id primary key (menu_item_id, restaurant_id),
    constraint menu_items_belong_to_a_restaurant foreign key (restaurant_id) references restaurants,
    constraint stock_is_never_negative check (available_qty >= 0),
    constraint prices_are_not_negative check (price_minor >= 0),
    constraint thresholds_are_not_negative check (low_stock_threshold >= 0)
  ) with (fillfactor = 50)`,
  `create index menu_items_by_restaurant on menu_items (restaurant_id, menu_item_id)`,
]

const orders = [
  `create table orders (
    order_id uuid not null,
    restaurant_id uuid not null,
    status text not null,
    version integer not null,
    currency text not null,
    total_minor bigint not null,
    customer_id text,
    notes text,
    cancellation_reason text,
    shortages jsonb,
    placed_at timestamptz not null,
    updated_at timestamptz not null,
    constraint orders_are_known_by_id primary key (order_id, restaurant_id),
    constraint orders_belong_to_a_restaurant foreign key (restaurant_id) references restaurants,
    constraint orders_have_a_known_status
      check (status in ('PLACED', 'PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED', 'CANCELLED')),
    constraint cancelled_orders_have_a_reason
      check ((status = 'CANCELLED') = (cancellation_reason is not null)),
    constraint shortages_explain_out_of_stock
      check ((shortages is not null) = coalesce(cancellation_reason = 'OUT_OF_STOCK', false)),
    constraint totals_are_not_negative check (total_minor >= 0)
  ) with (fillfactor = 80)`,
  `create table order_items (
    order_id uuid not null,
    restaurant_id uuid not null,
    menu_item_id uuid not null,
    line_no smallint not null,
    name text not null,
    price_minor bigint not null,
    quantity integer not null,
    constraint an_order_has_an_item_once primary key (order_id, restaurant_id, menu_item_id),
    constraint order_items_belong_to_an_order
      foreign key (order_id, restaurant_id) references orders (order_id, restaurant_id),
    constraint order_items_are_on_the_restaurants_menu
      foreign key (menu_item_id, restaurant_id) references menu_items (menu_item_id, restaurant_id),
    constraint quantities_are_positive check (quantity > 0)
  )`,
  `create table order_transitions (
    order_id uuid not null,
    restaurant_id uuid not null,
    seq integer not null,
    from_status text,
    to_status text not null,
    reason text,
    actor text not null,
    at timestamptz not null,
    constraint an_orders_history_has_each_step_once primary key (order_id, restaurant_id, seq),
    constraint transitions_belong_to_an_order
      foreign key (order_id, restaurant_id) references orders (order_id, restaurant_id),
    constraint only_the_first_transition_has_no_origin check ((seq = 1) = (from_status is null)),
    constraint history_starts_at_one check (seq >= 1)
  )`,
]

const stock = [
  `create table stock_movements (
    movement_id uuid not null,
    restaurant_id uuid not null,
    menu_item_id uuid not null,
    order_id uuid,
    event_id uuid,
    kind text not null,
    delta integer not null,
    at timestamptz not null default clock_timestamp(),
    constraint movements_are_known_by_item_and_id primary key (menu_item_id, movement_id, restaurant_id),
    constraint movements_belong_to_a_menu_item
      foreign key (menu_item_id, restaurant_id) references menu_items (menu_item_id, restaurant_id),
    constraint movements_have_a_known_kind
      check (kind in ('INITIAL', 'DEDUCT', 'RESTORE', 'RESTOCK', 'ADJUST')),
    constraint deductions_take_and_the_rest_gives check (
      case kind when 'DEDUCT' then delta < 0 when 'ADJUST' then delta <> 0 when 'INITIAL' then delta >= 0 else delta > 0 end
    ),
    constraint movements_for_orders_name_order_and_event check (
      (kind in ('DEDUCT', 'RESTORE')) = (order_id is not null)
      and (order_id is null or event_id is not null)
    )
  )`,
  // The guard that lets nothing be deducted or restored twice, whatever is redelivered or redriven.
  `create unique index an_order_moves_an_item_once_a_kind
    on stock_movements (order_id, menu_item_id, kind, restaurant_id)
    where order_id is not null`,
]

const events = [
  `create table outbox_events (
    event_id uuid not null,
    restaurant_id uuid not null,
    type text not null,
    order_id uuid,
    payload jsonb not null,
    trace_context jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    dispatched_at timestamptz,
    attempts integer not null default 0,
    quarantined_at timestamptz,
    error text,
    constraint events_are_known_by_id primary key (event_id, restaurant_id),
    constraint quarantined_events_have_an_error check (quarantined_at is null or error is not null),
    constraint events_are_dispatched_or_quarantined check (dispatched_at is null or quarantined_at is null)
  ) with (fillfactor = 80)`,
  `create index outbox_events_pending on outbox_events (event_id)
    where dispatched_at is null and quarantined_at is null`,
  `create index outbox_events_quarantined on outbox_events (quarantined_at) where quarantined_at is not null`,
  `create index outbox_events_by_order on outbox_events (order_id) where order_id is not null`,
  `create table processed_events (
    event_id uuid not null,
    consumer text not null,
    restaurant_id uuid not null,
    processed_at timestamptz not null default clock_timestamp(),
    constraint a_consumer_processes_an_event_once primary key (event_id, consumer, restaurant_id)
  )`,
  `create table dead_letters (
    dead_letter_id uuid not null,
    restaurant_id uuid,
    queue text not null,
    job_id uuid not null,
    event_id uuid,
    event_type text,
    order_id uuid,
    data jsonb,
    error jsonb,
    attempts integer not null,
    first_queued_at timestamptz not null,
    dead_at timestamptz not null,
    fate text not null default 'OPEN',
    fate_at timestamptz,
    constraint dead_letters_are_known_by_id primary key (dead_letter_id),
    constraint dead_letters_have_a_known_fate check (fate in ('OPEN', 'REDRIVEN', 'DISCARDED')),
    constraint a_decided_fate_has_a_time check ((fate = 'OPEN') = (fate_at is null))
  )`,
  `create index dead_letters_open on dead_letters (dead_at) where fate = 'OPEN'`,
]
