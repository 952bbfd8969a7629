/** An error that the user of a script can fix. Its message is printed without a stack. */
export class ScriptError extends Error {
  override name = 'ScriptError'
}
