import type { RootHookObject } from 'mocha'
import { wholeDocument } from './api-document.ts'
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

/** A test that takes any error for what it waits for does not fail on it. */
export const mochaHooks: RootHookObject = {
  afterAll: () => {
    if (undocumentedResponses.length > 0) throw new Error(undocumentedResponses.join('\n'))
  },
}
