import { checkRequirements } from './drill/compose-project.ts'
import { DeploymentDrill, PREVIOUS_COMMIT } from './drill/deployment-drill.ts'
import { runDrill } from './drill/run-drill.ts'
import { commandLine } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'

/** The drill of docs/deployment.md. */
await runScript(async () => {
  commandLine(
    'npm run drill:deployment --',
    'Follows docs/deployment.md with Docker Compose: starts the previous release behind nginx, places orders, kills an API, kills the primary of the database and promotes its standby, upgrades to this version, and stops. Uses containers, ports, an image and a folder of its own, which it deletes.\nExits with 1 when a request fails or an invariant is violated. Needs Docker with Compose, nginx, openssl, curl, and the history of git.',
    'npm run drill:deployment',
  ).parse()
  checkRequirements(PREVIOUS_COMMIT)
  const drill = new DeploymentDrill()
  await runDrill(
    [
      {
        title: 'build and start the previous release with two APIs, and replace its passwords',
        run: () => drill.startPrevious(),
      },
      { title: 'create a key, and place orders through nginx', run: () => drill.startClients() },
      { title: 'kill an API and start it again: no request fails', run: () => drill.killApi() },
      { title: 'add a synchronous standby', run: () => drill.addStandby() },
      { title: 'kill the primary, and promote the standby', run: () => drill.failOver() },
      { title: 'upgrade to this version, one process at a time', run: () => drill.upgrade() },
      { title: 'find the effect of every accepted order, once', run: () => drill.check() },
      { title: 'stop: every process ends with 0', run: () => drill.stop() },
    ],
    () => drill.end(),
  )
  return 0
})
