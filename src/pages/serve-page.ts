import { createHash } from 'node:crypto'
import Router from '@koa/router'
import { serveHtml } from '../http/openapi/serve-html.ts'
import { type BrowserFile, importsOf, readBrowserFiles, readDocument } from './browser-files.ts'
import { reloadScript } from './reload-script.ts'

/** A page that runs in the browser: a folder of `src` whose folder `browser` has its modules. */
export interface PageOptions {
  /** of the path and the folder, e.g. `board` for `/board` and `src/board/browser` */
  name: string
  title: string
  /** by default the name; one with an id has the assets beside the page */
  path?: string
  /** Search engines must not list the page. */
  isPrivate?: boolean
  /** files of the folder `docs` that the page shows */
  documents?: readonly string[]
}

/**
 * Serves a page and the files that it loads: its own and those that all pages share. They hold no
 * data, so everybody may read them. The files are read at the first request.
 */
export function servePage(options: PageOptions): Router {
  const { name, path = `/${name}`, isPrivate = false } = options
  const router = new Router()
  let reading: Promise<Page> | undefined
  const page = async () => {
    reading ??= readPage(options)
    try {
      return await reading
    } catch (error) {
      reading = undefined
      throw error
    }
  }
  serveHtml(router, path, async ctx => {
    const { html, policy } = await page()
    ctx.set('Content-Security-Policy', policy)
    if (isPrivate) ctx.set('X-Robots-Tag', 'noindex, nofollow')
    return html
  })
  const assetsPath = `${name}/assets`
  router.get(`/${assetsPath}/*path`, async ctx => {
    const { files } = await page()
    const file = files.get(ctx.path.slice(`/${assetsPath}/`.length))
    if (!file) return
    ctx.body = file.content
    ctx.type = file.type
  })
  return router
}

/** Relative to the page, so that it works under any path of a proxy. */
const assetsPathOf = ({ name, path }: PageOptions) => (path === undefined ? `${name}/assets` : 'assets')

interface Page {
  html: string
  policy: string
  /** by path */
  files: Map<string, BrowserFile>
}

async function readPage(options: PageOptions): Promise<Page> {
  const documents = (options.documents ?? []).map(readDocument)
  const files = await readBrowserFiles(['pages/browser', `${options.name}/browser`])
  const imports = JSON.stringify({ imports: importsOf(assetsPathOf(options)) })
  return {
    html: htmlOf(options, files, imports),
    policy: contentSecurityPolicy(imports),
    files: new Map([...files, ...documents].map(file => [file.path, file])),
  }
}

/**
 * Renders the page. Its `data-version` changes with every file, so that an open page can find that
 * it is outdated.
 */
function htmlOf(options: PageOptions, files: readonly BrowserFile[], imports: string): string {
  const { name, title, isPrivate = false } = options
  const version = createHash('sha256').update(JSON.stringify(files)).digest('hex')
  const assetsPath = assetsPathOf(options)
  const links = files.flatMap(({ path, type }) =>
    type === 'svg'
      ? []
      : `<link rel="${type === 'css' ? 'stylesheet' : 'modulepreload'}" href="${assetsPath}/${path}">`,
  )
  return `<!doctype html>
<html lang="en" data-version="${version}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">${isPrivate ? ROBOTS : ''}
<title>${title}</title>
<script>${reloadScript}</script>
<link rel="icon" href="${assetsPath}/pages/browser/icon.svg">
<script type="importmap">${imports}</script>
${links.join('\n')}
<script type="module" src="${assetsPath}/${name}/browser/main.ts"></script>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<div id="${name}"></div>
</body>
</html>
`
}

const ROBOTS = '\n<meta name="robots" content="noindex, nofollow">'

/**
 * Allows our own files, the inline script and the import map by their hashes, and HTML only from
 * templates of lit-html.
 */
function contentSecurityPolicy(imports: string): string {
  const hashes = [reloadScript, imports].map(
    text => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
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
