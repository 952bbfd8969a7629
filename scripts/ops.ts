import { deadLetters, order, queues } from './ops/read-commands.ts'
import { redriveCommand } from './ops/redrive.ts'
import { status } from './ops/status.ts'
import { pause, quarantine, resume, retry } from './ops/write-commands.ts'
import { commandLine } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'

/** The commands of operators, each a subcommand with a help of its own. */
await runScript(async () => {
  const program = commandLine(
    'npm run ops --',
    'Operates a running Comanda. Every command takes --json and --help.\nEvery command that changes something needs a --reason, which is recorded in ops_audit.',
    'npm run ops -- status --watch',
  )
  const commands = [status, order, queues, deadLetters, redriveCommand('redrive')]
  for (const command of [...commands, pause, resume, retry, quarantine]) program.addCommand(command)
  const args = process.argv.slice(2)
  await program.parseAsync(args.length > 0 ? args : ['--help'], { from: 'user' })
  return 0
})
