import type { ServerClock } from './clock.ts'

/** An answer of the API. `status` 0: there was none. */
export interface Answer {
  status: number
  /** parsed JSON; undefined when the body is not JSON */
  body: unknown
  /** what went wrong, in a sentence; undefined after a success */
  problem: string | undefined
  /** seconds after which to try again, if the answer names them */
  retryAfterSeconds: number | undefined
  /** URL of the next page of a list */
  next: string | undefined
}

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  /** The page is being left: the browser sends the request nevertheless. */
  keepalive?: boolean
}

const TIMEOUT_MS = 10_000

/** Calls the API that serves the page. Never throws. */
export class Api {
  readonly #clock: ServerClock
  readonly #base: string

  /** @param base URL of the folder of the page, e.g. `https://shop.example/comanda/` */
  constructor(base: string, clock: ServerClock) {
    this.#base = base
    this.#clock = clock
  }

  url(path: string): string {
    return new URL(path, this.#base).href
  }

  async call(
    path: string,
    { method = 'GET', body, headers = {}, keepalive = false }: Call = {},
  ): Promise<Answer> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.url(path), {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        keepalive,
        cache: 'no-store',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      text = await response.text()
    } catch {
      return { ...NO_ANSWER }
    }
    this.#clock.observe(response.headers.get('date'))
    return answerOf(response, text)
  }
}

const NO_ANSWER: Answer = {
  status: 0,
  body: undefined,
  problem: 'The server does not answer. Is this device connected to the network?',
  retryAfterSeconds: undefined,
  next: undefined,
}

/** @param text the body */
export function answerOf(
  { status, ok, headers }: Pick<Response, 'status' | 'ok' | 'headers'>,
  text: string,
): Answer {
  const body = parse(text)
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const [, next] = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '') ?? []
  const isReadable = body !== undefined || status === 204
  return {
    status: isReadable ? status : 0,
    body,
    problem: ok && isReadable ? undefined : problemOf(status, body),
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : undefined,
    next,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** A proxy or a login page of the network answers with something else than JSON. */
function problemOf(status: number, body: unknown): string {
  if (typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string')
    return `${body.detail}.`
  return `Something between this device and Comanda answered with HTTP status ${status} and no JSON. Try again, or ask the operator of the network.`
}
