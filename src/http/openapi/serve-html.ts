import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'

/**
 * Serves an HTML page whose links are relative, so that they work under any path of a proxy.
 * Redirects a path with a slash at its end, where the links would mean other pages.
 */
export function serveHtml(
  router: Router,
  path: string,
  render: (ctx: RouterContext) => string | Promise<string>,
): void {
  router.get(path, async ctx => {
    if (ctx.path.endsWith('/')) {
      const here = ctx.path.slice(0, -1)
      ctx.redirect(`..${here.slice(here.lastIndexOf('/'))}${ctx.search}`)
      return
    }
    ctx.body = await render(ctx)
    ctx.type = 'html'
  })
}
