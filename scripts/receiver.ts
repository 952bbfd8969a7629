import { Webhook } from 'standardwebhooks'
import type { CloudEvent } from '../src/events/cloud-event.ts'
import { commandLine, wholeNumber } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'
import { type Delivery, verifyDelivery, WebhookReceiver } from './support/webhook-receiver.ts'

/**
 * A webhook endpoint for trying webhooks out: verifies the signature of each event and prints it.
 */

const DEFAULT_PORT = 8_787
const MAX_COUNT = 1_000_000_000

await runScript(async () => {
  const { port, count } = commandLine(
    'npm run receiver --',
    'Listens on 127.0.0.1 for webhooks and prints each event. With WEBHOOK_SECRET, it rejects events that are not signed with this secret.\nComanda delivers to this machine only when started with WEBHOOK_ALLOW_PRIVATE=true.',
    'WEBHOOK_SECRET=whsec_… npm run receiver -- --port 8787',
  )
    .option('--port <N>', 'TCP port', wholeNumber(1, 65_535), DEFAULT_PORT)
    .option('--count <N>', 'exit after this many events; 0: never', wholeNumber(0, MAX_COUNT), 0)
    .parse()
    .opts()
  const secret = process.env['WEBHOOK_SECRET']
  const webhook = secret ? openSecret(secret) : undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))
  const printed = new Set<string>()
  let finish = () => {}
  const finished = new Promise<void>(done => (finish = done))
  const answer = (delivery: Delivery) => {
    const status = receive(delivery, webhook, printed)
    if (count > 0 && printed.size >= count) finish()
    return { status, headers: { connection: 'close' } }
  }
  const receiver = await WebhookReceiver.start(answer, port).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? new ScriptError(`--port: ${port} is in use, choose another`) : error
  })
  await finished
  await receiver.stop()
  return 0
})

function openSecret(secret: string): Webhook {
  try {
    return new Webhook(secret)
  } catch {
    throw new ScriptError('WEBHOOK_SECRET is not the secret of a webhook, which begins with whsec_')
  }
}

/**
 * Prints the event of a delivery, once per delivery.
 * @param printed ids of the deliveries printed so far
 * @returns the HTTP status of the response
 */
function receive(delivery: Delivery, webhook: Webhook | undefined, printed: Set<string>): number {
  const { id, body } = delivery
  try {
    const event = webhook ? verifyDelivery(webhook, delivery) : (JSON.parse(body) as CloudEvent)
    const { type, subject, sequence } = event
    const position = sequence === undefined ? '' : `, sequence ${sequence}`
    const signature = webhook ? 'good signature' : 'signature not checked'
    if (!printed.has(id)) console.log(`${type} of ${subject}${position}: ${signature}`)
    printed.add(id)
    return 204
  } catch (error) {
    console.log(`rejected ${id}: ${error instanceof Error ? error.message : String(error)}`)
    return 401
  }
}
