import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { STREAM_TYPE } from '../../src/http/route.ts'

/** Sends requests that `fetch` would refuse or normalise. */

export interface RawRequest {
  method: string
  /** sent without encoding */
  path: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** sent in chunks, without Content-Length */
  chunked?: boolean
}

export interface RawReply {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

const agent = new Agent({ keepAlive: true })

export async function send(baseUrl: string, sent: RawRequest): Promise<RawReply> {
  const { method, path, headers = {}, body, chunked = false } = sent
  return await new Promise((resolve, reject) => {
    const outgoing = request(baseUrl, {
      agent,
      method,
      path,
      headers: {
        ...headers,
        ...(body === undefined || chunked ? {} : { 'content-length': Buffer.byteLength(body) }),
      },
    })
    outgoing.once('error', reject)
    outgoing.once('response', response => {
      const isStream = response.headers['content-type']?.startsWith(STREAM_TYPE) && method !== 'HEAD'
      const content = isStream ? beginningOf(response) : text(response)
      content.then(
        content => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: content }),
        reject,
      )
    })
    if (body !== undefined) outgoing.write(body)
    outgoing.end()
  })
}

/** Reads a stream up to its first event, because it does not end by itself. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  let content = ''
  for await (const chunk of response) {
    content += String(chunk)
    if (content.includes('\ndata:')) break
  }
  return content
}

/**
 * Sends arbitrary bytes and returns everything until the server closes the connection.
 */
export async function sendBytes(
  baseUrl: string,
  bytes: string,
  options: { end?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(baseUrl)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  if (options.end) socket.end()
  return await text(socket)
}
