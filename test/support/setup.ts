import type { RootHookObject } from 'mocha'
import { wholeDocument } from './api-document.ts'
import { expectNoDeniedStatements } from './denied-statements.ts'
import {
  checkFetchedResponses,
  checkRequestedResponses,
  undocumentedResponses,
} from './openapi-response-hook.ts'
import { startTestServer, stopTestServer } from './postgres.ts'

/** mocha calls these once per run. */
export const mochaGlobalSetup = startTestServer
export const mochaGlobalTeardown = stopTestServer

checkFetchedResponses(wholeDocument)
checkRequestedResponses(wholeDocument)

/** Reports errors that a test has swallowed because it expected another one. */
export const mochaHooks: RootHookObject = {
  afterAll: () => {
    expectNoDeniedStatements()
    if (undocumentedResponses.length > 0) throw new Error(undocumentedResponses.join('\n'))
  },
}
