import { demoIds } from '../platform/demo-ids.ts'
import { NotFound, type ResourceKind } from '../platform/errors.ts'

/** An error that an operation's documentation shows: nothing has the id in its path, which is that of something else. */
export function documentNotFound(kind: ResourceKind) {
  const { code, message, fields } = new NotFound(kind, kind === 'order' ? demoIds.restaurant : demoIds.order)
  return { code, detail: message, fields: { ...fields } }
}
