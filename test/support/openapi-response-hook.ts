import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { RawReply } from '../http/send.ts'
import type { ApiDocument } from './api-document.ts'

/**
 * Compares every API response that this process receives with the OpenAPI document, before the
 * client sees it. An undocumented response makes the call fail, and so the test.
 */

/** Undocumented responses, including those whose error the caller has swallowed. */
export const undocumentedResponses: string[] = []

const API = /^\/api\/v1(?:\/|$)/

/**
 * Checks responses to `fetch`.
 * @param document is called at the first response, because building the document takes a moment
 */
export function checkFetchedResponses(document: () => ApiDocument | Promise<ApiDocument>): void {
  let built: ApiDocument | undefined
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init)
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(response.headers)
    if (!isChecked(pathname, headers)) return response
    const text = await response.clone().text()
    built ??= await document()
    check(built, init?.method ?? (input instanceof Request ? input.method : 'GET'), pathname, {
      status: response.status,
      headers,
      text,
    })
    return response
  }
}

/** Checks responses to `request` of node:http. */
export function checkRequestedResponses(document: () => ApiDocument): void {
  let built: ApiDocument | undefined
  const { request } = http
  http.request = (...args: unknown[]): ClientRequest => {
    const outgoing = (request as (...args: unknown[]) => ClientRequest)(...args)
    outgoing.once('response', (response: IncomingMessage) => {
      const [path = ''] = outgoing.path.split('?')
      const { statusCode: status = 0, headers } = response
      if (!isChecked(path, headers)) return
      beforeEnd(response, text => {
        built ??= document()
        check(built, outgoing.method, path, { status, headers, text })
      })
    })
    return outgoing
  }
  syncBuiltinESMExports()
}

/** Event streams are not checked, because they do not end. */
function isChecked(path: string, headers: IncomingHttpHeaders): boolean {
  return API.test(path) && !headers['content-type']?.startsWith('text/event-stream')
}

function check(document: ApiDocument, method: string, path: string, reply: RawReply): void {
  try {
    document.expectDocumented(method, path, reply)
  } catch (error) {
    const message = `${method} ${path.slice(0, 200)} has an undocumented response: ${String(error)}`
    undocumentedResponses.push(message)
    throw new Error(message, { cause: error })
  }
}

/**
 * Calls `checkBody` with the whole body before the reader gets its end. An error aborts the body.
 */
function beforeEnd(response: IncomingMessage, checkBody: (text: string) => void): void {
  const chunks: Buffer[] = []
  const push = response.push.bind(response)
  response.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) {
      chunks.push(chunk)
      return push(chunk, encoding)
    }
    try {
      checkBody(Buffer.concat(chunks).toString())
      return push(null)
    } catch (error) {
      response.destroy(error as Error)
      return false
    }
  }
}
