import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'

/** What every answer says to browsers, by header. Helmet is asked once: it would set the same each time. */
export function securityHeaders(): [name: string, value: string][] {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  const setHeaders = helmet({
    contentSecurityPolicy: {
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      useDefaults: false,
    },
    // Whoever ends TLS in front of this decides for their domain.
    strictTransportSecurity: false,
    // Over plain HTTP a browser ignores these two, and says so in its console.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    // For browsers of old, and each answer carries them.
    dnsPrefetchControl: false,
    ieNoOpen: false,
    permittedCrossDomainPolicies: false,
    xssFilter: false,
  })
  setHeaders(request, response, error => {
    if (error instanceof Error) throw error
  })
  // Node gives them in lower case back; all others are written like this.
  const written = (name: string) => name.replaceAll(/\b[a-z]/g, letter => letter.toUpperCase())
  return Object.entries(response.getHeaders()).map(([name, value]) => [written(name), String(value)])
}
