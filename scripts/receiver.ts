import { createServer, type IncomingHttpHeaders } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { readOptions, wholeNumber } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** Somebody to deliver to: takes webhooks on this machine, looks at their signatures and prints the events. */

const DEFAULT_PORT = 8_787
const MAX_COUNT = 1_000_000_000

const command = {
  name: 'npm run receiver --',
  summary:
    'Listens on 127.0.0.1 for webhooks and prints each event. With WEBHOOK_SECRET, it takes only what is signed with it.\nDelivered to is this machine only by a Comanda that was started with WEBHOOK_ALLOW_PRIVATE=true.',
  example: 'WEBHOOK_SECRET=whsec_… npm run receiver -- --port 8787',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      port: wholeNumber('TCP port', DEFAULT_PORT, 1, 65_535),
      count: wholeNumber('ends after so many events; 0: never', 0, 0, MAX_COUNT),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const { port, count } = options
  const secret = process.env['WEBHOOK_SECRET']
  const webhook = secret ? openSecret(secret) : undefined
  const seen = new Set<string>()
  return await new Promise<number>((done, fail) => {
    const server = createServer((request, response) => {
      void (async () => {
        const body = await textOf(request)
        const status = request.method === 'POST' ? take(webhook, request.headers, body, seen) : 405
        response.writeHead(status, { connection: 'close' }).end()
        if (count > 0 && seen.size >= count) server.close(() => done(0)).closeIdleConnections()
      })()
    })
    server.once('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'EADDRINUSE' ? new ScriptError(`--port: ${port} is taken; choose another`) : error),
    )
    server.listen(port, '127.0.0.1')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))
  })
})

function openSecret(secret: string): Webhook {
  try {
    return new Webhook(secret)
  } catch {
    throw new ScriptError('WEBHOOK_SECRET: is no secret of a webhook, which begins with whsec_')
  }
}

/** @param seen ids of deliveries that were taken: one that comes again is not printed again. @returns the status to answer */
function take(
  webhook: Webhook | undefined,
  headers: IncomingHttpHeaders,
  body: string,
  seen: Set<string>,
): number {
  const id = String(headers['webhook-id'])
  try {
    const event = (
      webhook ? webhook.verify(body, headers as Record<string, string>) : JSON.parse(body)
    ) as Record<string, string>
    const { type, subject, sequence } = event
    const place = sequence === undefined ? '' : `, sequence ${sequence}`
    const signature = webhook ? 'good signature' : 'signature not looked at'
    if (!seen.has(id)) console.log(`${type} of ${subject}${place}: ${signature}`)
    seen.add(id)
    return 204
  } catch (error) {
    console.log(`refused ${id}: ${error instanceof Error ? error.message : String(error)}`)
    return 401
  }
}
