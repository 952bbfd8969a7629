/** Documents a header that every response of its kind has. */
export function header(description: string) {
  return { description, required: true, schema: { type: 'string' } } as const
}

export const requestIdHeader = header('Id of the request in the logs')
