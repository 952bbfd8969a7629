/**
 * Ids of the demo data that `npm start` adds to an empty embedded database. The examples of the API
 * documentation use them, so that "Try it out" works at the first click. All but those of
 * the delivery and the action have the slot of the restaurant, 001.
 */
export const demoIds = {
  restaurant: '019a0000-0000-7000-8000-000000000001',
  margherita: '019a0000-0000-7000-8000-000000011001',
  tiramisu: '019a0000-0000-7000-8000-000000012001',
  lemonade: '019a0000-0000-7000-8000-000000013001',
  /** its code is 7K3Q */
  order: '019a0000-0000-7000-8000-00003cc77001',
  webhook: '019a0000-0000-7000-8000-000000201001',
  delivery: '019a0000-0000-7000-8000-000000000211',
  action: '019a0000-0000-7000-8000-00000000ac01',
} as const
