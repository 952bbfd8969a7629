/**
 * The methods of HTTP (RFC 9110 and RFC 5789), which OpenTelemetry counts each under its name. A
 * path supports some of them, else it answers 405; all other methods are 501.
 */
const methods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
])

export const isHttpMethod = (method: string) => methods.has(method)

/** Returns `http.request.method` of metrics and traces: one value for all unknown methods. */
export const methodLabel = (method: string) => (isHttpMethod(method) ? method : OTHER_METHOD)

export const OTHER_METHOD = '_OTHER'
