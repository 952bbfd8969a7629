import type { Context } from 'koa'

/**
 * One of several things that are done for a request, one after the other. A middleware would be kept, with all that it
 * knows, until the request is answered: with thousands that wait, that is what fills the heap.
 */
export type Step = (ctx: Context) => Promise<void> | void
