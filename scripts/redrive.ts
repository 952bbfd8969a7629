import { redriveCommand } from './ops/redrive.ts'
import { runScript } from './support/run-script.ts'

/** The same command as `npm run ops -- redrive`. */
await runScript(async () => {
  await redriveCommand('npm run redrive --').parseAsync()
  return 0
})
