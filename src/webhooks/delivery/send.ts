import { Webhook } from 'standardwebhooks'
import { type Agent, request } from 'undici'
import { now } from '../../platform/clock.ts'
import { AddressRefused } from './ssrf-guard.ts'

/** What is sent, where to, and how it is signed. */
export interface Envelope {
  /** stays the same for every attempt: by it receivers know what they have */
  delivery_id: string
  url: string
  /** the current one, and for a rotation's overlap the previous one */
  secrets: readonly string[]
  body: string
  /** W3C Trace Context for the receiver; left out: none */
  traceparent?: string | undefined
}

/** What came of one attempt. */
export interface Sent {
  at: Date
  /** null: there was no answer */
  status: number | null
  duration_ms: number
  /** the first bytes of the answer */
  answer: string | null
  /** why there was no answer */
  error: string | null
  /** the same in a word, of which there are few: `timeout`, `ECONNREFUSED` */
  error_type: string | null
}

/** What came of an attempt that was not even begun. */
export function unsent(error: string): Sent {
  return { at: now(), status: null, duration_ms: 0, answer: null, error, error_type: 'not sent' }
}

/** Why an attempt is none that arrived, for whoever looks after the receiver; undefined: it has arrived. */
export function failureOf({ status, error }: Sent): string | undefined {
  if (status !== null && status >= 200 && status < 300) return undefined
  return error ?? `the receiver answered ${status}`
}

/** From the first byte sent to the last byte of the answer that is looked at. */
const ATTEMPT_TIMEOUT_MS = 15_000
const ANSWER_BYTES = 1_024

/** The headers of Standard Webhooks 1.0: id, time, and a signature of both with the body for each secret. */
export function signatureHeaders(
  { delivery_id, secrets, body }: Pick<Envelope, 'delivery_id' | 'secrets' | 'body'>,
  at: Date,
): Record<string, string> {
  return {
    'webhook-id': delivery_id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map(secret => new Webhook(secret).sign(delivery_id, at, body)).join(' '),
  }
}

/**
 * Sends a delivery once. Any answer is an answer, a redirect too: it is not followed.
 * Never throws.
 * @param stop ends it early
 */
export async function sendDelivery(agent: Agent, envelope: Envelope, stop: AbortSignal): Promise<Sent> {
  const at = now()
  const started = performance.now()
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new Error('TIMEOUT')), ATTEMPT_TIMEOUT_MS)
  const onStop = () => abort.abort(new Error('STOPPED'))
  stop.addEventListener('abort', onStop)
  let status: number | null = null
  let answer: string | null = null
  let failure: NoAnswer | undefined
  const { url, traceparent, body } = envelope
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'user-agent': 'Comanda-Webhooks/1',
        ...signatureHeaders(envelope, at),
        ...(traceparent ? { traceparent } : {}),
      },
      body,
      signal: abort.signal,
    })
    status = response.statusCode
    answer = await firstBytes(response.body)
  } catch (thrown) {
    // The status is what counts: an answer that breaks off behind it is still one.
    if (status === null) failure = reasonOf(thrown, abort.signal)
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
  }
  const duration_ms = Math.round(performance.now() - started)
  return { at, status, duration_ms, answer, ...(failure ?? { error: null, error_type: null }) }
}

async function firstBytes(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop drops the rest, and with it the connection.
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= ANSWER_BYTES) break
  }
  return Buffer.concat(chunks)
    .subarray(0, ANSWER_BYTES)
    .toString()
    .toWellFormed()
    .replaceAll('\u0000', '\uFFFD')
}

type NoAnswer = { error: string; error_type: string }

/** In the words of whoever looks after the receiver; never an address. */
function reasonOf(thrown: unknown, signal: AbortSignal): NoAnswer {
  if (signal.aborted) {
    return (signal.reason as Error).message === 'TIMEOUT'
      ? { error: `no answer within ${ATTEMPT_TIMEOUT_MS / 1_000} s`, error_type: 'timeout' }
      : { error: 'broken off, because the worker stopped', error_type: 'stopped' }
  }
  if (thrown instanceof AddressRefused) return { error: thrown.message, error_type: thrown.code }
  const { code, name } = thrown as { code?: string; name?: string }
  const error_type = code ?? name ?? 'unknown'
  return { error: `no connection, or no answer on it: ${error_type}`, error_type }
}
