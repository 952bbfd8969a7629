import type { RootHookObject } from 'mocha'
import { wholeDocument } from './api-document.ts'
import { expectNoDeniedStatements } from './denied-statements.ts'
import {
  checkFetchedResponses,
  checkRequestedResponses,
  undocumentedResponses,
} from './openapi-response-hook.ts'
import { startTestServer, stopTestServer } from './postgres.ts'

/** mocha calls these once a run. */
export const mochaGlobalSetup = startTestServer
export const mochaGlobalTeardown = stopTestServer

checkFetchedResponses(wholeDocument)
checkRequestedResponses(wholeDocument)

/** For tests that expect some error and would accept one of these in its place. */
export const mochaHooks: RootHookObject = {
  afterAll: () => {
    expectNoDeniedStatements()
    if (undocumentedResponses.length > 0) throw new Error(undocumentedResponses.join('\n'))
  },
}
