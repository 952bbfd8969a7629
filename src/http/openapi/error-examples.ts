import { demoIds } from '../../platform/demo-ids.ts'
import { NotFound, type ResourceKind } from '../../platform/errors.ts'

/** Returns the documented example of a body value that is refused. @param pointer RFC 6901 JSON Pointer into the body */
export function invalidValueExample(pointer: string, detail: string) {
  return {
    code: 'validation-failed' as const,
    detail: `${pointer}: ${detail}`,
    fields: { errors: [{ pointer, detail }] },
  }
}

/** Returns the documented example of a 404. The id in the path is that of another kind of resource. */
export function notFoundExample(kind: ResourceKind) {
  const { code, message, fields } = new NotFound(kind, kind === 'order' ? demoIds.restaurant : demoIds.order)
  return { code, detail: message, fields: { ...fields } }
}
