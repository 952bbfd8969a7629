import { rmSync } from 'node:fs'
import type { RootHookObject } from 'mocha'
import { wholeDocument } from './api-document.ts'
import { expectNoDeniedStatements } from './denied-statements.ts'
import {
  checkFetchedResponses,
  checkRequestedResponses,
  undocumentedResponses,
} from './openapi-response-hook.ts'
import { startTestServer, stopTestServer } from './postgres.ts'
import { temporaryFolder } from './temporary-folder.ts'

/**
 * The processes that tests start share compiled code, as those of `npm start` do: each would spend
 * half a second on stripping the types. The coverage of cached code is the same.
 */
const compiledCode = temporaryFolder('compiled')
process.env['NODE_COMPILE_CACHE'] = compiledCode

/** mocha calls these once per run. */
export const mochaGlobalSetup = startTestServer
export async function mochaGlobalTeardown(): Promise<void> {
  await stopTestServer()
  rmSync(compiledCode, { recursive: true, force: true })
}

checkFetchedResponses(wholeDocument)
checkRequestedResponses(wholeDocument)

/** Reports errors that a test has swallowed because it expected another one. */
export const mochaHooks: RootHookObject = {
  afterAll: () => {
    expectNoDeniedStatements()
    if (undocumentedResponses.length > 0) throw new Error(undocumentedResponses.join('\n'))
  },
}
