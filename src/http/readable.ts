/** Truncates a name and replaces characters that cannot be printed with U+FFFD. */
export function readable(name: string): string {
  return name.slice(0, 100).toWellFormed().replaceAll('\u0000', '\uFFFD')
}
