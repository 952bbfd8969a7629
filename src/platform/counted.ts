/**
 * Returns a count with its noun: `1 order`, `2 orders`.
 * @param nouns the plural, for nouns with a verb or without a final s
 */
export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`
}
