import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { expect } from 'chai'
import packageJson from '../../package.json' with { type: 'json' }
import { type DocumentOptions, openApiDocument } from '../../src/http/openapi/openapi.ts'
import { apiRoutes } from '../../src/processes/api.ts'

const documentOf = (options?: DocumentOptions) =>
  openApiDocument(apiRoutes({} as never), packageJson.version, options)

describe('docs/generated/openapi.json', () => {
  it('is the document that is served; `npm run generate` writes it', () => {
    const copy = readFileSync(
      join(import.meta.dirname, '..', '..', 'docs', 'generated', 'openapi.json'),
      'utf8',
    )
    expect(JSON.parse(copy)).to.deep.equal(JSON.parse(JSON.stringify(documentOf())))
  })

  const configurations: DocumentOptions[] = [
    {},
    { AUTH_MODE: 'jwt', REQUIRE_IDEMPOTENCY_KEY: true },
    { AUTH_MODE: 'api-key', RATE_LIMIT_PER_MINUTE: 10 },
  ]
  for (const options of configurations) {
    it(`passes the rules of Redocly, with ${JSON.stringify(options)}`, async () => {
      const config = await createConfig({ extends: ['recommended-strict'], rules })
      const source = JSON.stringify(documentOf(options))
      const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
      expect(
        problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`),
      ).to.deep.equal([])
    })
  }
})

/** The servers depend on the installation; without authentication there is no security scheme. */
const rules = { 'no-server-example.com': 'off', 'security-defined': 'off' } as const
