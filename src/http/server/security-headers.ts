import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'

/** Returns the security headers of every response. Helmet runs once, because they never change. */
export function securityHeaders(): [name: string, value: string][] {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  const setHeaders = helmet({
    contentSecurityPolicy: {
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      useDefaults: false,
    },
    // The proxy that terminates TLS decides on HSTS for its domain.
    strictTransportSecurity: false,
    // Over plain HTTP, browsers ignore these two and warn in the console.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    // Only obsolete browsers use these.
    dnsPrefetchControl: false,
    ieNoOpen: false,
    permittedCrossDomainPolicies: false,
    xssFilter: false,
  })
  setHeaders(request, response, error => {
    if (error instanceof Error) throw error
  })
  // Node returns the names in lower case; all other headers are sent capitalised.
  const capitalised = (name: string) => name.replaceAll(/\b[a-z]/g, letter => letter.toUpperCase())
  return Object.entries(response.getHeaders()).map(([name, value]) => [capitalised(name), String(value)])
}
