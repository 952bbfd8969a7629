import { deadLetters, order, queues } from './ops/read-commands.ts'
import { redrive } from './ops/redrive.ts'
import { status } from './ops/status.ts'
import { pause, quarantine, resume, retry } from './ops/write-commands.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** What operators do from a terminal. */

type Run = (args: readonly string[], positionals: readonly string[]) => Promise<number>

interface OpsCommand {
  run: Run
  /** what stands after its name */
  takes: string
  about: string
  /** words that are not options: how many */
  positionals: number
}

const commands: Record<string, OpsCommand> = {
  status: { run: status, takes: '[--watch]', about: 'everything on one screen', positionals: 0 },
  order: { run: order, takes: '<id>', about: 'what happened to an order', positionals: 1 },
  queues: { run: queues, takes: '', about: 'a line a queue', positionals: 0 },
  'dead-letters': {
    run: deadLetters,
    takes: '[--all]',
    about: 'jobs that have used up their attempts',
    positionals: 0,
  },
  redrive: {
    run: args => redrive(args, 'npm run ops -- redrive'),
    takes: '[--discard]',
    about: 'gives dead letters to their queues again; shows them first',
    positionals: 0,
  },
  pause: { run: pause, takes: '<queue>', about: 'has no worker take jobs of a queue', positionals: 1 },
  resume: { run: resume, takes: '<queue>', about: 'has them taken again', positionals: 1 },
  retry: { run: retry, takes: '<job>', about: 'has a job tried at once', positionals: 1 },
  quarantine: {
    run: quarantine,
    takes: 'list | release',
    about: 'events that could not be dispatched',
    positionals: 1,
  },
}

await runScript(async () => {
  const [name = '--help', ...rest] = process.argv.slice(2)
  if (name === '--help' || name === '-h') {
    console.log(helpText())
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    throw new ScriptError(
      `there is no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(', ')}`,
    )
  }
  const { positionals, args } = takePositionals(rest, command.positionals)
  return await command.run(args, positionals)
})

/** Words before the first option, at most `count`; the rest is for the command's options to judge. */
function takePositionals(words: readonly string[], count: number): { positionals: string[]; args: string[] } {
  const first = words.findIndex(word => word.startsWith('-'))
  const end = Math.min(count, first === -1 ? words.length : first)
  return { positionals: words.slice(0, end), args: words.slice(end) }
}

function helpText(): string {
  const lines = Object.entries(commands).map(([name, { takes, about }]) => [
    `${name} ${takes}`.trimEnd(),
    about,
  ])
  const width = Math.max(...lines.map(([left = '']) => left.length))
  return [
    'Looks after a running Comanda. Every command takes --json and --help; those that change something take --reason.',
    '',
    'Usage: npm run ops -- <command>',
    '',
    ...lines.map(([left = '', about]) => `  ${left.padEnd(width)}  ${about}`),
    '',
    'Example: npm run ops -- status --watch',
  ].join('\n')
}
