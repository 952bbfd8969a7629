import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { type Nginx, startConfiguredNginx } from '../support/nginx.ts'
import { createCertificate, TlsClient } from './tls-client.ts'

export const CONFIGURATION = readFileSync(
  join(import.meta.dirname, '..', '..', 'deploy', 'nginx.conf'),
  'utf8',
)
const HOST = 'shop.example'

/** deploy/nginx.conf on ports of this machine, in front of two API processes. */
export class ShopNginx {
  readonly origin: string
  /** port of plain HTTP */
  readonly plainPort: number
  /** ports of the API processes */
  readonly ports: [number, number]
  readonly #port: number
  readonly #clients: TlsClient[] = []
  #ca = ''
  #nginx: Nginx | undefined

  private constructor(port: number, plainPort: number, ports: [number, number]) {
    this.#port = port
    this.origin = `https://${HOST}:${port}`
    this.plainPort = plainPort
    this.ports = ports
  }

  /** Chooses the ports. {@link start} starts nginx. */
  static async plan(): Promise<ShopNginx> {
    return new ShopNginx(await freePort(), await freePort(), [await freePort(), await freePort()])
  }

  /** The environment of the API process on a port. */
  environment(port: number): Record<string, string> {
    return { PORT: String(port), PUBLIC_URL: `${this.origin}/comanda`, TRUSTED_PROXY_COUNT: '1' }
  }

  /** @param edit changes the file first */
  async start(edit: (file: string) => string = file => file): Promise<void> {
    this.#nginx = await startConfiguredNginx(this.#port, folder => {
      this.#ca = createCertificate(folder, HOST)
      return edit(CONFIGURATION)
        .replace('listen 443', `listen 127.0.0.1:${this.#port}`)
        .replace('listen 80', `listen 127.0.0.1:${this.plainPort}`)
        .replaceAll('127.0.0.1:8000', `127.0.0.1:${this.ports[0]}`)
        .replaceAll('127.0.0.1:8001', `127.0.0.1:${this.ports[1]}`)
        .replaceAll('/etc/nginx/tls', folder)
        .replaceAll('/var/log/nginx', folder)
    })
  }

  connect(localAddress?: string): TlsClient {
    const client = new TlsClient(this.origin, this.#ca, localAddress)
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.#nginx?.stop()
  }
}
