/** Something the person at the terminal can put right. The message says all there is: no stack is shown. */
export class ScriptError extends Error {
  override name = 'ScriptError'
}
