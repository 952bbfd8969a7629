import { createHash } from 'node:crypto'
import Router from '@koa/router'
import { serveHtml } from '../http/openapi/serve-html.ts'
import { type BrowserFile, importsOf, readBrowserFiles } from './browser-files.ts'

/** relative to the page, so that it works under any path of a proxy */
const ASSETS_PATH = 'board/assets'

/**
 * Serves the board at `/board`, the screen of a restaurant's kitchen and counter, and the files
 * that it loads. They hold no data, so everybody may read them. The files are read at the first
 * request.
 */
export function boardPages(): Router {
  const router = new Router()
  let reading: Promise<Board> | undefined
  const board = async () => {
    reading ??= readBoard()
    try {
      return await reading
    } catch (error) {
      reading = undefined
      throw error
    }
  }
  serveHtml(router, '/board', async ctx => {
    const { html, policy } = await board()
    ctx.set('Content-Security-Policy', policy)
    return html
  })
  router.get(`/${ASSETS_PATH}/*path`, async ctx => {
    const { files } = await board()
    const file = files.get(ctx.path.slice(`/${ASSETS_PATH}/`.length))
    if (!file) return
    ctx.body = file.content
    ctx.type = file.type
  })
  return router
}

interface Board {
  html: string
  policy: string
  /** by path */
  files: Map<string, BrowserFile>
}

async function readBoard(): Promise<Board> {
  const files = await readBrowserFiles()
  const imports = JSON.stringify({ imports: importsOf(ASSETS_PATH) })
  return {
    html: pageOf(files, imports),
    policy: contentSecurityPolicy(imports),
    files: new Map(files.map(file => [file.path, file])),
  }
}

/**
 * Renders the page. Its `data-version` changes with every file, so that an open board can find that
 * it is outdated.
 */
function pageOf(files: readonly BrowserFile[], imports: string): string {
  const version = createHash('sha256').update(JSON.stringify(files)).digest('hex')
  const preloads = files
    .filter(({ type }) => type === 'js')
    .map(({ path }) => `<link rel="modulepreload" href="${ASSETS_PATH}/${path}">`)
  return `<!doctype html>
<html lang="en" data-version="${version}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Comanda board</title>
<link rel="icon" href="${ASSETS_PATH}/browser/icon.svg">
<link rel="stylesheet" href="${ASSETS_PATH}/browser/board.css">
<script type="importmap">${imports}</script>
${preloads.join('\n')}
<script type="module" src="${ASSETS_PATH}/browser/main.ts"></script>
</head>
<body>
<noscript>The board needs JavaScript.</noscript>
<div id="board"></div>
</body>
</html>
`
}

/** Allows our own files, the import map by its hash, and HTML only from templates of lit-html. */
function contentSecurityPolicy(imports: string): string {
  const hash = createHash('sha256').update(imports).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types lit-html',
  ].join('; ')
}
