import Router from '@koa/router'
import { problems } from '../problem-catalogue.ts'
import type { ProblemEntry } from '../problem-entry.ts'
import { serveHtml } from './serve-html.ts'

/**
 * Serves `/problems`, a list of all problems, and `/problems/{code}`, the page that the `type` of a
 * problem refers to.
 */
export function problemPages(): Router {
  const router = new Router()
  const entries: [code: string, entry: ProblemEntry][] = Object.entries(problems)
  const list = entries.map(
    ([code, { status, title }]) => `<dt>${status} <a href="problems/${code}">${code}</a></dt>
<dd>${title}</dd>`,
  )
  servePage(router, '/problems', 'Problems of this API', `<dl>\n${list.join('\n')}\n</dl>`)
  for (const [code, { status, title, meaning, whatToDo, retryAfter, example }] of entries) {
    const body = `<p>HTTP status ${status}, <code>${code}</code>${retryAfter === undefined ? '' : ', with <code>Retry-After</code>'}</p>
<h2>Meaning</h2>
<p>${withLinks(meaning)}</p>
<h2>What to do</h2>
<p>${withLinks(whatToDo)}</p>
${example ? `<h2>Example of <code>detail</code></h2>\n<p>${markUp(example.detail)}</p>\n` : ''}<p><a href="../problems">All problems</a></p>`
    servePage(router, `/problems/${code}`, title, body)
  }
  return router
}

function servePage(router: Router, path: string, title: string, body: string): void {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title} – Comanda</title>
<h1>${title}</h1>
${body}
</html>
`
  serveHtml(router, path, () => html)
}

function withLinks(text: string): string {
  return markUp(text).replaceAll('/docs', '<a href="../docs">/docs</a>')
}

function markUp(text: string): string {
  return text.replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}
