import { spawn } from 'node:child_process'
import { endWithThisProcess } from './end-on-signal.ts'

/**
 * Runs a program and returns everything it printed, stdout and stderr together.
 * @throws Error with the end of the output when the exit code is not 0
 */
export async function capture(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  endWithThisProcess(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done))
  if (code !== 0) throw new Error(`${command} exited with ${code}: ${output.trim().slice(-500)}`)
  return output
}
