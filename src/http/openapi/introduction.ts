import type { Config } from '../../platform/config.ts'

const CALLERS: Record<Config['AUTH_MODE'], string> = {
  none: 'Every client may call every operation: this installation has no authentication. The changes of operators are for clients on the machine of the API only.',
  jwt: 'Send `Authorization: Bearer` with a JWT of the configured issuer. Its claim `scope` lists what the caller may do; each operation names the scope that it needs.',
  'api-key':
    'Send `Authorization: Bearer` with an API key, which an operator creates with `npm run keys`. Each operation names the scope that the key needs.',
}

/** Returns the description at the top of the document and of `/docs`. Its links are relative. */
export function introduction(authMode: Config['AUTH_MODE']): string {
  return [
    'Order management for restaurants. The life of an order:',
    [
      '1. `POST /api/v1/orders` answers 202: the order is **PLACED** and committed.',
      '2. Within milliseconds its stock is deducted and it is **PREPARING**, or it is **CANCELLED** because stock is short.',
      '3. `PUT …/ready` says that the kitchen has finished it. This is optional, and the order stays **PREPARING**.',
      '4. `PATCH …/status` makes it **OUT_FOR_DELIVERY**, then **DELIVERED**. Until then it can be cancelled, which restores the stock.',
    ].join('\n'),
    `**Who may call.** ${CALLERS[authMode]}`,
    '**Also here.** [Events of webhooks and streams](asyncapi.json) (AsyncAPI), [all problems](problems), and this [document](openapi.json).',
  ].join('\n\n')
}
