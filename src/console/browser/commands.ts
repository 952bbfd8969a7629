/** Returns a text as one argument of a shell. */
function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Returns a command of `npm run ops` that changes something, for which a person fills in why. */
export function opsCommand(
  words: readonly string[],
  options: Record<string, string | undefined> = {},
): string {
  const given = Object.entries(options).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`--${name}`, quoted(value)],
  )
  return ['npm run ops --', ...words, ...given, '--reason "…"'].join(' ')
}

/** Returns a call of the API that changes something, for which a person fills in why. */
export function opsCurl(path: string, body: object = {}): string {
  const json = quoted(JSON.stringify({ ...body, reason: '…' }))
  return `curl -X POST "$API/ops/${path}" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d ${json}`
}
