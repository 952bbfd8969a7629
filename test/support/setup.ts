import { startTestServer, stopTestServer } from './postgres.ts'

/** mocha calls these once a run. */
export const mochaGlobalSetup = startTestServer
export const mochaGlobalTeardown = stopTestServer
