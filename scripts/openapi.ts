import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { openApiDocument } from '../src/http/openapi/openapi.ts'
import { apiRoutes } from '../src/processes/api.ts'

/** Writes docs/generated/openapi.json, so that a change of the contract shows in review. */
const document = openApiDocument(apiRoutes({} as never), packageJson.version)
writeFileSync(
  join(import.meta.dirname, '..', 'docs', 'generated', 'openapi.json'),
  `${JSON.stringify(document, null, 2)}\n`,
)
console.log('docs/generated/openapi.json is written.')
