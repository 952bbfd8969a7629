// Stops the embedded server when the process that started this one has ended: standard input then
// ends. Plain JavaScript without other modules until then, so that it needs little memory. Started
// by guard-process.ts.
const STOP_TIMEOUT_MS = 15_000

let text = ''
for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk

const { data, port, password, urlFile } = JSON.parse(text)
const { stopServer } = await import('./stop-server.ts')
if (await stopServer({ data }, port, password, STOP_TIMEOUT_MS)) {
  const { rmSync } = await import('node:fs')
  rmSync(urlFile, { force: true })
}
