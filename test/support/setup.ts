import type { RootHookObject } from 'mocha'
import { wholeDocument } from './api-document.ts'
import { holdFetched, holdRequested, undocumentedAnswers } from './hold-answers.ts'
import { startTestServer, stopTestServer } from './postgres.ts'

/** mocha calls these once a run. */
export const mochaGlobalSetup = startTestServer
export const mochaGlobalTeardown = stopTestServer

holdFetched(wholeDocument)
holdRequested(wholeDocument)

/** A test that takes any error for what it waits for does not fail on it. */
export const mochaHooks: RootHookObject = {
  afterAll: () => {
    if (undocumentedAnswers.length > 0) throw new Error(undocumentedAnswers.join('\n'))
  },
}
