import packageJson from '../../package.json' with { type: 'json' }
import { openApiDocument } from '../../src/http/openapi/openapi.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { apiRoutes } from '../../src/processes/api.ts'
import { buildAsyncApi } from '../../src/processes/asyncapi.ts'
import { configurationPage } from '../configuration/configuration-page.ts'
import { eventsPage } from '../events/events-page.ts'

/**
 * Returns the current content of every generated file, by its path in the repository.
 * docs/generated/events.json is missing: it describes the last release, and only
 * `npm run events -- --release` changes it.
 */
export function generatedFiles(): Record<string, string> {
  return {
    'docs/configuration.md': configurationPage(),
    'docs/events.md': eventsPage(),
    'docs/generated/asyncapi.json': json(buildAsyncApi(parseConfig({}))),
    'docs/generated/openapi.json': json(openApiDocument(apiRoutes({} as never), packageJson.version)),
  }
}

function json(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`
}
