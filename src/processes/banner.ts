import { relative, resolve } from 'node:path'
import type { Config } from '../platform/config.ts'
import { demoIds } from '../platform/demo-ids.ts'
import type { AllService } from './all.ts'

/** What a newcomer needs after `npm start`: where things are, and three lines to try. */
export function printBanner({ api, embedded }: AllService, config: Config): void {
  const body = JSON.stringify({
    restaurant_id: demoIds.restaurant,
    items: [{ menu_item_id: demoIds.margherita, quantity: 1 }],
  })
  const place = embedded
    ? `curl -s ${api.url}/api/v1/orders -H 'content-type: application/json' -d '${body}'`
    : `curl -s ${api.url}/api/v1/inventory/add/restaurant -H 'content-type: application/json' -d '{"name":"Trattoria"}'`
  const look = embedded ? `curl -s ${api.url}/api/v1/orders/${demoIds.order}` : `curl -s ${api.url}/readyz`
  console.log(`
  Comanda is up.

    API        ${api.url}/api/v1
    Try it     ${api.url}/docs
    Database   ${embedded ? `embedded PostgreSQL 18 in ${embedded.dataFolder}${embedded.adopted ? ' (was running already)' : ''}` : 'the one in DATABASE_URL'}${embedded ? `\n               its connection string is in ${relative('.', resolve(config.DATA_DIR, 'database.url'))}` : ''}

  Three lines to try, in another terminal:

    ${place}
    ${look}
    npm run sql -- "select status, count(*) from orders group by status"

  Ctrl-C stops everything.
`)
}
