import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { ScriptError } from '../support/script-error.ts'

const HOST = 'shop.example'
const CONFIGURATION = join(import.meta.dirname, '..', '..', 'deploy', 'nginx.conf')
const TIMEOUT_MS = 30_000

export interface ShopReply {
  status: number
  body: Record<string, string>
}

/** deploy/nginx.conf on a port of this machine, with a certificate of its own, and its clients. */
export class ProxiedShop {
  readonly #folder = mkdtempSync(join(tmpdir(), 'comanda-nginx-'))
  readonly #port: number
  readonly #nginx: ChildProcess
  readonly #agent: Agent
  #errors = ''

  /** @param ports free ones for TLS and plain HTTP, then those of the API processes */
  constructor(ports: { tls: number; plain: number; apis: [number, number] }) {
    const folder = this.#folder
    this.#port = ports.tls
    const ca = createCertificate(folder)
    const configuration = readFileSync(CONFIGURATION, 'utf8')
      .replace('listen 443', `listen 127.0.0.1:${ports.tls}`)
      .replace('listen 80', `listen 127.0.0.1:${ports.plain}`)
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${ports.apis[0]}`)
      .replaceAll('127.0.0.1:8001', `127.0.0.1:${ports.apis[1]}`)
      .replaceAll('/etc/nginx/tls', folder)
      .replaceAll('/var/log/nginx', folder)
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configuration)
    // A worker process of root's nginx runs as another account.
    chmodSync(folder, 0o755)
    const directives = `daemon off; pid ${join(folder, 'nginx.pid')}; error_log stderr;`
    this.#nginx = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', file, '-g', directives], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#nginx.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()))
    const address = [{ address: '127.0.0.1', family: 4 }]
    // nginx ends an HTTP/2 connection after 1,000 requests, and undici fails a request that it
    // sends at that moment. With HTTP/1.1, the last response announces the end.
    this.#agent = new Agent({
      allowH2: false,
      connect: { ca, lookup: (_host, _options, done) => done(null, address) },
    })
  }

  /** The URL at which clients reach the API. */
  static url(port: number): string {
    return `https://${HOST}:${port}/comanda`
  }

  /** Sends a request through nginx. A broken connection is a failed request, too. */
  async call(method: 'GET' | 'POST', path: string, headers: Record<string, string>, sent?: object) {
    if (this.#nginx.exitCode !== null) throw new ScriptError(`nginx ended: ${this.#errors}`)
    const response = await request(`${ProxiedShop.url(this.#port)}/api/v1${path}`, {
      method,
      headers: sent ? { ...headers, 'content-type': 'application/json' } : headers,
      body: sent ? JSON.stringify(sent) : null,
      dispatcher: this.#agent,
      headersTimeout: TIMEOUT_MS,
    })
    const reply: ShopReply = {
      status: response.statusCode,
      body: (await response.body.json()) as Record<string, string>,
    }
    return reply
  }

  async stop(): Promise<void> {
    await this.#agent.destroy()
    if (this.#nginx.exitCode === null) {
      const ended = once(this.#nginx, 'exit')
      this.#nginx.kill('SIGTERM')
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Creates `tls.crt` and `tls.key`, a certificate that signs itself. @returns the certificate */
function createCertificate(folder: string): string {
  const [certificate, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  const subject = ['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const files = ['-keyout', key, '-out', certificate]
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '1', ...curve, ...subject, ...files], {
    stdio: 'ignore',
  })
  return readFileSync(certificate, 'utf8')
}
