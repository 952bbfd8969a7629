import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import Router, { type RouterContext } from '@koa/router'

/** Files of swagger-ui-dist that the page loads, by the name that koa2-swagger-ui asks for. */
const assets = {
  'swagger-ui.min.css': ['swagger-ui.css', 'text/css'],
  'swagger-ui-bundle.js': ['swagger-ui-bundle.js', 'text/javascript'],
  'swagger-ui-standalone-preset.js': ['swagger-ui-standalone-preset.js', 'text/javascript'],
  'favicon-32x32.png': ['favicon-32x32.png', 'image/png'],
} as const

const ASSETS_PATH = '/docs/assets'
const CACHE_SECONDS = 3_600

/**
 * `/docs`: Swagger UI from this process's own files, so that it works offline; `/openapi.json` and `/asyncapi.json`: the
 * documents of the calls and of the events.
 */
export function documentationPages(openApi: object, asyncApi: object): Router {
  const router = new Router()
  serveDocument(router, '/openapi.json', openApi)
  serveDocument(router, '/asyncapi.json', asyncApi)
  router.get('/', ctx => ctx.redirect('/docs'))
  serveAssets(router)
  servePage(router)
  return router
}

function serveDocument(router: Router, path: string, document: object): void {
  const json = JSON.stringify(document)
  router.get(path, ctx => {
    ctx.type = 'application/json'
    ctx.body = json
  })
}

function serveAssets(router: Router): void {
  const folder = join(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'), '..')
  for (const [name, [file, type]] of Object.entries(assets)) {
    router.get(`${ASSETS_PATH}/${name}`, async ctx => {
      ctx.body = await readFile(join(folder, file))
      ctx.type = type
      ctx.set('Cache-Control', `public, max-age=${CACHE_SECONDS}`)
    })
  }
}

interface Page {
  html: string
  policy: string
}

function servePage(router: Router): void {
  let page: Page | undefined
  router.get('/docs', async ctx => {
    page ??= await renderPage(ctx)
    ctx.set('Content-Security-Policy', page.policy)
    ctx.type = 'html'
    ctx.body = page.html
  })
}

/** What renders it is loaded only now: most processes are never asked for it, and it stays in memory. */
async function renderPage(ctx: RouterContext): Promise<Page> {
  const { koaSwagger } = await import('koa2-swagger-ui')
  const render = koaSwagger({
    title: 'Comanda API',
    // `routePrefix` would match any path that ends in it, e.g. an order's
    routePrefix: false,
    swaggerVersion: '',
    swaggerCdnUrl: ASSETS_PATH,
    favicon: `${ASSETS_PATH}/favicon-32x32.png`,
    hideTopbar: true,
    swaggerOptions: {
      url: '/openapi.json',
      layout: 'StandaloneLayout',
      // left out, any host but localhost has the document checked at swagger.io
      validatorUrl: 'none',
      tryItOutEnabled: true,
      displayRequestDuration: true,
    },
  })
  await render(ctx, async () => undefined)
  const html = withoutRemoteFonts(String(ctx.body)).replaceAll(`${ASSETS_PATH}//`, `${ASSETS_PATH}/`)
  return { html, policy: contentSecurityPolicy(html) }
}

function withoutRemoteFonts(html: string): string {
  return html.replace(/<link href="https:\/\/fonts[^>]*>/, '')
}

/** Nothing but our own files, and the page's one inline script, by its hash. Swagger UI styles its elements inline. */
function contentSecurityPolicy(html: string): string {
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    `script-src 'self' ${scripts.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
