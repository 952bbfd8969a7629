import { redrive } from './ops/redrive.ts'
import { runScript } from './support/run-script.ts'

/** `npm run ops -- redrive` under a name of its own. */
await runScript(() => redrive(process.argv.slice(2), 'npm run redrive --'))
