import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

export const hasOpenssl = spawnSync('openssl', ['version']).error === undefined

/** Creates `tls.crt` and `tls.key`, a certificate that signs itself. @returns the certificate */
export function createCertificate(folder: string, host: string): string {
  const [certificate, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  const files = ['-keyout', key, '-out', certificate]
  const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '1', ...curve, ...subject, ...files], {
    stdio: 'ignore',
  })
  return readFileSync(certificate, 'utf8')
}

export interface TlsReply {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** An HTTP/2 connection to a host whose name leads to 127.0.0.1. */
export class TlsClient {
  readonly #session: ClientHttp2Session

  /** @param localAddress address of the client, in 127.0.0.0/8 */
  constructor(origin: string, ca: string, localAddress = '127.0.0.1') {
    const { hostname: servername, port } = new URL(origin)
    const options: ConnectionOptions = { host: '127.0.0.1', port: Number(port), servername, ca }
    this.#session = connect(origin, {
      createConnection: () =>
        connectTls({ ...options, localAddress, ALPNProtocols: ['h2'] } as ConnectionOptions),
    })
    this.#session.on('error', () => undefined)
  }

  async send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<TlsReply> {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    const stream = this.#session.request({ ':method': method, ':path': path, ...type, ...headers })
    return await new Promise((done, fail) => {
      let received = ''
      let reply: IncomingHttpHeaders = {}
      stream.setEncoding('utf8')
      stream.on('response', sent => (reply = sent))
      stream.on('data', (text: string) => (received += text))
      stream.on('error', fail)
      stream.on('end', () => done({ status: Number(reply[':status']), headers: reply, body: received }))
      stream.end(body)
    })
  }

  /** Opens an event stream. @returns a function that returns the text received so far */
  follow(path: string, headers: Record<string, string> = {}): () => string {
    const stream = this.#session.request({ ':path': path, ...headers })
    let received = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => (received += text))
    stream.on('error', () => undefined)
    return () => received
  }

  /** Sends a GET and reads nothing of the response. Resolves when its headers have arrived. */
  async holdBack(path: string): Promise<void> {
    const stream = this.#session.request({ ':path': path })
    stream.on('error', () => undefined)
    await new Promise<void>(done => stream.once('response', () => done()))
  }

  close(): void {
    this.#session.destroy()
  }
}
