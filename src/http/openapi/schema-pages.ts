import Router from '@koa/router'

const CACHE_SECONDS = 3_600

/**
 * Serves JSON Schemas without authentication, because the `dataschema` of every event refers to
 * one.
 * @param schemas by path
 */
export function schemaPages(schemas: Readonly<Record<string, object>>): Router {
  const router = new Router()
  for (const [path, schema] of Object.entries(schemas)) {
    const json = JSON.stringify(schema)
    router.get(path, ctx => {
      ctx.type = 'application/schema+json'
      ctx.set('Cache-Control', `public, max-age=${CACHE_SECONDS}`)
      ctx.body = json
    })
  }
  return router
}
