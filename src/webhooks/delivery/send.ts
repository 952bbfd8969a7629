import { Webhook } from 'standardwebhooks'
import { type Agent, request } from 'undici'
import { now } from '../../platform/clock.ts'
import { AddressRefused } from './ssrf-guard.ts'

/** A request to an endpoint. */
export interface Envelope {
  /** the same for every attempt, so that endpoints can deduplicate */
  delivery_id: string
  url: string
  /** every valid secret */
  secrets: readonly string[]
  body: string
  /** W3C Trace Context; default none */
  traceparent?: string | undefined
}

/** The result of one attempt. */
export interface Sent {
  at: Date
  /** HTTP status; null: no response */
  status: number | null
  duration_ms: number
  /** first bytes of the response */
  answer: string | null
  /** why there was no response */
  error: string | null
  /** the same as one of a few words, e.g. `timeout`, `ECONNREFUSED` */
  error_type: string | null
}

/** Returns the result of an attempt for which no request was sent. */
export function unsent(error: string): Sent {
  return { at: now(), status: null, duration_ms: 0, answer: null, error, error_type: 'not sent' }
}

/** Returns why an attempt failed, for the owner of the endpoint; undefined: it succeeded. */
export function failureOf({ status, error }: Sent): string | undefined {
  if (status !== null && status >= 200 && status < 300) return undefined
  return error ?? `the receiver answered ${status}`
}

/** Time from the start of the request until the part of the response that is kept has arrived. */
const ATTEMPT_TIMEOUT_MS = 15_000
const ANSWER_BYTES = 1_024

/** Returns the headers of Standard Webhooks 1.0, with one signature per secret. */
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
 * Sends a delivery once. Redirects are not followed. Never throws.
 * @param stop aborts the request
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
    // A response counts by its status, also when its body breaks off.
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
  // Leaving the loop drops the rest of the body and closes the connection.
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

/** Returns the reason in words for the owner of the endpoint, without any address. */
function reasonOf(thrown: unknown, signal: AbortSignal): NoAnswer {
  if (signal.aborted) {
    return (signal.reason as Error).message === 'TIMEOUT'
      ? { error: `no answer within ${ATTEMPT_TIMEOUT_MS / 1_000} s`, error_type: 'timeout' }
      : { error: 'aborted, because the worker stopped', error_type: 'stopped' }
  }
  if (thrown instanceof AddressRefused) return { error: thrown.message, error_type: thrown.code }
  const { code, name } = thrown as { code?: string; name?: string }
  const error_type = code ?? name ?? 'unknown'
  return { error: `no connection, or no answer on it: ${error_type}`, error_type }
}
