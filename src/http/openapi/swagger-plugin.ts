/** The parts of the browser, of React and of Swagger UI that the plugin uses. */
declare const document: { baseURI: string }
type Component = (props: ResponseProps) => unknown
interface React {
  createElement: (type: unknown, props: object, ...children: unknown[]) => unknown
  useState: <Value>(initial: Value) => [value: Value, set: (value: Value) => void]
}
interface ResponseProps {
  code: string
  response: { get: (name: string) => string }
}
interface Parameter {
  required?: boolean
  example?: unknown
}
interface SwaggerRequest {
  method?: string
  headers: Record<string, string>
}
interface Execution {
  requestInterceptor: (request: SwaggerRequest) => Promise<SwaggerRequest>
}
interface SwaggerSystem {
  fn: { execute: (execution: Execution) => unknown }
}
interface LoadedDocument {
  paths: Record<string, Record<string, { parameters?: Parameter[] }>>
}

/**
 * A plugin of Swagger UI. Its source is put into the page, so it must not use anything outside.
 *
 * - Requests go to the server that the page comes from: the page's content policy permits no other
 *   one, and the public URL may name the same server differently.
 * - Optional parameters are not filled in with their examples, so that lists show all.
 * - Streams have no Execute: Swagger UI would wait for their end, and hold them.
 * - Error responses are collapsed.
 * - Changes carry an Idempotency-Key, without which the session of a browser changes nothing.
 */
export function swaggerPlugin() {
  const url = new URL('.', document.baseURI).href.slice(0, -1)

  function localize(loaded: LoadedDocument): LoadedDocument & object {
    const operations = Object.values(loaded.paths).flatMap(path => Object.values(path))
    const optional = operations.flatMap(({ parameters = [] }) => parameters.filter(each => !each.required))
    for (const parameter of optional) delete parameter.example
    return { ...loaded, servers: [{ url }] } as LoadedDocument
  }

  const collapsible =
    (Original: Component, { React }: { React: React }): Component =>
    props => {
      const [isOpen, open] = React.useState(props.code < '400')
      if (isOpen) return React.createElement(Original, props)
      const show = { className: 'btn', title: 'Show the response', onClick: () => open(true) }
      return React.createElement(
        'tr',
        { className: 'response' },
        React.createElement('td', { className: 'response-col_status' }, props.code),
        React.createElement(
          'td',
          { className: 'response-col_description' },
          React.createElement('button', show, `${props.response.get('description')} ▸`),
        ),
      )
    }

  function addIdempotencyKey(request: SwaggerRequest): SwaggerRequest {
    const isChange = !['GET', 'HEAD', 'OPTIONS'].includes(request.method?.toUpperCase() ?? 'GET')
    const hasKey = Object.keys(request.headers).some(name => name.toLowerCase() === 'idempotency-key')
    if (isChange && !hasKey) {
      const bytes = [...crypto.getRandomValues(new Uint8Array(16))]
      request.headers['Idempotency-Key'] = bytes.map(byte => byte.toString(16).padStart(2, '0')).join('')
    }
    return request
  }

  return {
    afterLoad: ({ fn }: SwaggerSystem) => {
      const { execute } = fn
      fn.execute = execution =>
        execute({
          ...execution,
          requestInterceptor: async request => addIdempotencyKey(await execution.requestInterceptor(request)),
        })
    },
    wrapComponents: { response: collapsible },
    statePlugins: {
      spec: {
        wrapActions: {
          updateJsonSpec: (update: (loaded: object) => unknown) => (loaded: LoadedDocument) =>
            update(localize(loaded)),
        },
        wrapSelectors: {
          allowTryItOutFor:
            (isAllowed: (state: object, path: string, method: string) => boolean) =>
            (state: object, path: string, method: string) =>
              !path.endsWith('/stream') && isAllowed(state, path, method),
        },
      },
    },
  }
}
