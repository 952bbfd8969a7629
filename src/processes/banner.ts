import { relative, resolve } from 'node:path'
import type { Config } from '../platform/config.ts'
import { demoIds } from '../platform/demo-ids.ts'
import type { AllService } from './all.ts'

/** Prints the URLs of board and API, the location of the database, and three commands to try. */
export function printBanner({ api, embedded }: AllService, config: Config): void {
  const body = JSON.stringify({
    restaurant_id: demoIds.restaurant,
    items: [{ menu_item_id: demoIds.margherita, quantity: 1 }],
  })
  const firstCommand = embedded
    ? `curl -s ${api.url}/api/v1/orders -H 'content-type: application/json' -d '${body}'`
    : `curl -s ${api.url}/api/v1/inventory/add/restaurant -H 'content-type: application/json' -d '{"name":"Trattoria"}'`
  const secondCommand = embedded
    ? `curl -s ${api.url}/api/v1/orders/${demoIds.order}`
    : `curl -s ${api.url}/readyz`
  console.log(`
  Comanda is running.

    Board      ${api.url}/board
    API        ${api.url}/api/v1
    Try it     ${api.url}/docs
    Database   ${embedded ? `embedded PostgreSQL 18 in ${embedded.dataFolder}${embedded.adopted ? ' (already running)' : ''}` : 'DATABASE_URL'}${embedded ? `\n               connection string in ${relative('.', resolve(config.DATA_DIR, 'database.url'))}` : ''}

  Try these commands in another terminal:

    ${firstCommand}
    ${secondCommand}
    npm run sql -- "select status, count(*) from orders group by status"

  Ctrl-C stops everything.
`)
}
