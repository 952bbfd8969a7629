import { QueryInvalid } from '../platform/errors.ts'
import { readable } from './readable.ts'

/**
 * Returns the parameters of a query string; a repeated one is a list of its values. Unlike Node's
 * parser, it does not replace invalid bytes.
 * @throws QueryInvalid with every parameter that is not percent-encoded UTF-8
 */
export function parseQueryString(text: string): Record<string, string | string[]> {
  const parameters = new Map<string, string[]>()
  const undecodable: string[] = []
  for (const pair of text.replaceAll('+', ' ').split('&')) {
    if (pair === '') continue
    const [rawName = '', ...rest] = pair.split('=')
    const name = decodePercent(rawName)
    const value = decodePercent(rest.join('='))
    if (name === undefined || value === undefined) {
      undecodable.push(name ?? rawName)
      continue
    }
    const values = parameters.get(name)
    if (values) values.push(value)
    else parameters.set(name, [value])
  }
  if (undecodable.length > 0) {
    throw new QueryInvalid(
      undecodable.map(name => ({ parameter: readable(name), detail: 'is not percent-encoded UTF-8' })),
    )
  }
  return Object.fromEntries(
    Array.from(parameters, ([name, values]) => [name, values.length === 1 ? String(values[0]) : values]),
  )
}

/** Decodes percent-encoded UTF-8. @returns undefined for anything else */
export function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
