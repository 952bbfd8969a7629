/** The refusal of one value of a body, as the documentation shows it. @param pointer RFC 6901 JSON Pointer into the body */
export function invalid(pointer: string, detail: string) {
  return {
    code: 'validation-failed' as const,
    detail: `${pointer}: ${detail}`,
    fields: { errors: [{ pointer, detail }] },
  }
}
