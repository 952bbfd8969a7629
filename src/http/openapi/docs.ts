import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import Router, { type RouterContext } from '@koa/router'
import { serveHtml } from './serve-html.ts'
import { swaggerPlugin } from './swagger-plugin.ts'

/** Files of swagger-ui-dist by the name under which the page of koa2-swagger-ui loads them. */
const assets = {
  'swagger-ui.min.css': ['swagger-ui.css', 'text/css'],
  'swagger-ui-bundle.js': ['swagger-ui-bundle.js', 'text/javascript'],
  'swagger-ui-standalone-preset.js': ['swagger-ui-standalone-preset.js', 'text/javascript'],
  'favicon-32x32.png': ['favicon-32x32.png', 'image/png'],
} as const

/** relative to the page */
const ASSETS_PATH = 'docs/assets'
const CACHE_SECONDS = 3_600

/**
 * Serves Swagger UI at `/docs` from local files, so that it works offline, and the documents of the
 * operations and the events at `/openapi.json` and `/asyncapi.json`.
 */
export function documentationPages(openApi: object, asyncApi: object): Router {
  const router = new Router()
  serveDocument(router, '/openapi.json', openApi)
  serveDocument(router, '/asyncapi.json', asyncApi)
  router.get('/', ctx => ctx.redirect('docs'))
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
    router.get(`/${ASSETS_PATH}/${name}`, async ctx => {
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
  serveHtml(router, '/docs', async ctx => {
    page ??= await renderPage(ctx)
    ctx.set('Content-Security-Policy', page.policy)
    return page.html
  })
}

/**
 * Renders the page. The renderer is imported on the first request, to save memory in other
 * processes.
 */
async function renderPage(ctx: RouterContext): Promise<Page> {
  const { koaSwagger } = await import('koa2-swagger-ui')
  const render = koaSwagger({
    title: 'Comanda API',
    // A `routePrefix` would match every path that ends with it, e.g. that of an order.
    routePrefix: false,
    swaggerVersion: '',
    swaggerCdnUrl: ASSETS_PATH,
    favicon: `${ASSETS_PATH}/favicon-32x32.png`,
    hideTopbar: true,
    swaggerOptions: {
      url: 'openapi.json',
      plugins: swaggerPlugin.toString(),
      layout: 'StandaloneLayout',
      // By default, Swagger UI on any host but localhost sends the document to swagger.io.
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

/**
 * Allows our own files and the page's inline script by its hash. Swagger UI needs inline styles.
 */
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
