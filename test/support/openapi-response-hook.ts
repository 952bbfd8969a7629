import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { RawReply } from '../http/send.ts'
import type { ApiDocument } from './api-document.ts'

/**
 * Every answer of the API that this process gets, by whatever client and from whatever process, is held against the OpenAPI
 * document before the client sees it: one that the document does not have breaks the call that got it, and so its test.
 */

/** Answers that were not as documented, also those of which the error was swallowed. */
export const undocumentedResponses: string[] = []

const API = /^\/api\/v1(?:\/|$)/

/** Answers to `fetch`. @param document is made when the first answer comes: it takes a moment */
export function checkFetchedResponses(document: () => ApiDocument | Promise<ApiDocument>): void {
  let made: ApiDocument | undefined
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init)
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(response.headers)
    if (!isHeld(pathname, headers)) return response
    const text = await response.clone().text()
    made ??= await document()
    hold(made, init?.method ?? (input instanceof Request ? input.method : 'GET'), pathname, {
      status: response.status,
      headers,
      text,
    })
    return response
  }
}

/** Answers to `request` of node:http. */
export function checkRequestedResponses(document: () => ApiDocument): void {
  let made: ApiDocument | undefined
  const { request } = http
  http.request = (...args: unknown[]): ClientRequest => {
    const outgoing = (request as (...args: unknown[]) => ClientRequest)(...args)
    outgoing.once('response', (response: IncomingMessage) => {
      const [path = ''] = outgoing.path.split('?')
      const { statusCode: status = 0, headers } = response
      if (!isHeld(path, headers)) return
      beforeEnd(response, text => {
        made ??= document()
        hold(made, outgoing.method, path, { status, headers, text })
      })
    })
    return outgoing
  }
  syncBuiltinESMExports()
}

/** A stream has no end that could be waited for. */
function isHeld(path: string, headers: IncomingHttpHeaders): boolean {
  return API.test(path) && !headers['content-type']?.startsWith('text/event-stream')
}

function hold(document: ApiDocument, method: string, path: string, reply: RawReply): void {
  try {
    document.expectDocumented(method, path, reply)
  } catch (error) {
    const message = `${method} ${path.slice(0, 200)} was not answered as documented: ${String(error)}`
    undocumentedResponses.push(message)
    throw new Error(message, { cause: error })
  }
}

/** Looks at the whole of a body before its reader learns that it has ended; throwing breaks the body off. */
function beforeEnd(response: IncomingMessage, look: (text: string) => void): void {
  const chunks: Buffer[] = []
  const push = response.push.bind(response)
  response.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) {
      chunks.push(chunk)
      return push(chunk, encoding)
    }
    try {
      look(Buffer.concat(chunks).toString())
      return push(null)
    } catch (error) {
      response.destroy(error as Error)
      return false
    }
  }
}
