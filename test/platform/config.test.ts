import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { z } from 'zod'
import { configurationPage } from '../../scripts/configuration/configuration-page.ts'
import { basePathOf, ConfigurationError, parseConfig } from '../../src/platform/config.ts'
import { configGroups } from '../../src/platform/config-variables.ts'

describe('configuration', () => {
  it('has a default for everything', () => {
    expect(parseConfig({})).to.include({
      PORT: 8000,
      HOST: '127.0.0.1',
      DATA_DIR: '.data',
      LOG_LEVEL: 'info',
    })
    expect(parseConfig({}).DATABASE_URL).to.equal(undefined)
  })

  it('derives PUBLIC_URL from HOST and PORT unless it is set', () => {
    const urls: [env: Record<string, string>, url: string][] = [
      [{}, 'http://localhost:8000'],
      [{ PORT: '8501' }, 'http://localhost:8501'],
      [{ PORT: '80' }, 'http://localhost'],
      [{ HOST: '0.0.0.0', PORT: '8501' }, 'http://localhost:8501'],
      [{ HOST: '::' }, 'http://localhost:8000'],
      [{ HOST: '::1' }, 'http://[::1]:8000'],
      [{ HOST: 'orders.internal', PORT: '8501' }, 'http://orders.internal:8501'],
      [{ PORT: '8501', PUBLIC_URL: 'https://shop.example/comanda/' }, 'https://shop.example/comanda'],
    ]
    for (const [env, url] of urls) expect(parseConfig(env).PUBLIC_URL).to.equal(url)
  })

  it('returns the path of PUBLIC_URL', () => {
    expect(basePathOf({ PUBLIC_URL: 'https://shop.example' })).to.equal('')
    expect(basePathOf({ PUBLIC_URL: 'https://shop.example/comanda' })).to.equal('/comanda')
  })

  it('splits CORS_ORIGINS at commas', () => {
    expect(parseConfig({}).CORS_ORIGINS).to.deep.equal([])
    expect(
      parseConfig({ CORS_ORIGINS: 'https://till.example, http://localhost:5173,' }).CORS_ORIGINS,
    ).to.deep.equal(['https://till.example', 'http://localhost:5173'])
  })

  it('expands the ranges of CELL_SLOTS', () => {
    expect(parseConfig({}).CELL_SLOTS).to.equal(undefined)
    expect([...(parseConfig({ CELL_SLOTS: '7FE-801, c01,c01' }).CELL_SLOTS ?? [])]).to.deep.equal([
      '7fe',
      '7ff',
      '800',
      '801',
      'c01',
    ])
    expect(parseConfig({ CELL_SLOTS: '000-fff' }).CELL_SLOTS?.size).to.equal(4_096)
  })

  it('treats an empty value as unset', () => {
    expect(parseConfig({ PORT: '', DATABASE_URL: '' })).to.deep.equal(parseConfig({}))
  })

  it('is frozen', () => {
    expect(Object.isFrozen(parseConfig({}))).to.equal(true)
  })

  const wrong: [name: string, value: string][] = [
    ['PORT', 'eight thousand'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['PORT', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['PUBLIC_URL', 'shop.example'],
    ['PUBLIC_URL', 'https://shop.example/?table=4'],
    ['PUBLIC_URL', 'https://shop.example/#menu'],
    ['PUBLIC_URL', 'https://me:secret@shop.example'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['DATABASE_URL', 'not a url'],
    ['API_POOL_COUNT', '0'],
    ['OUTBOX_RETENTION_MINUTES', '4'],
    ['PROCESSED_RETENTION_MINUTES', '43199'],
    ['JOB_RETENTION_MINUTES', '0'],
    ['DISPATCHER_POOL_COUNT', 'many'],
    ['WORKER_POOL_COUNT', '1'],
    ['PLACEMENT_BATCH_COUNT', '0'],
    ['FAILED_LOGINS_PER_MINUTE', '-1'],
    ['TRUSTED_PROXY_COUNT', 'true'],
    ['REQUIRE_IDEMPOTENCY_KEY', 'perhaps'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'null'],
    ['CORS_ORIGINS', 'till.example'],
    ['CORS_ORIGINS', 'https://till.example/'],
    ['CORS_ORIGINS', 'https://*.example'],
    ['CORS_ORIGINS', 'https://Till.example'],
    ['CORS_ORIGINS', 'https://till.example:443'],
    ['CORS_ORIGINS', 'https://me:secret@till.example'],
    ['CORS_ORIGINS', 'file:///till.html'],
    ['CORS_ORIGINS', 'https://till.example https://desk.example'],
    ['ALLOWED_HOSTS', '*'],
    ['ALLOWED_HOSTS', '*.example'],
    ['ALLOWED_HOSTS', 'http://till.example'],
    ['ALLOWED_HOSTS', 'till.example:8000'],
    ['ALLOWED_HOSTS', 'till.example/'],
    ['ALLOWED_HOSTS', 'me@till.example'],
    ['ALLOWED_HOSTS', '::1'],
    ['CONNECTIONS_PER_ADDRESS_COUNT', '-1'],
    ['CELL_SLOTS', '1'],
    ['CELL_SLOTS', '00g'],
    ['CELL_SLOTS', '0001'],
    ['CELL_SLOTS', '7ff-000'],
    ['CELL_SLOTS', '000-7ff c01'],
    ['CELL_SLOTS', '000-7ff-c01'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', '127.0.0.1:4318'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['DATABASE_TIMEOUT_MS', '1s'],
    ['SHUTDOWN_TIMEOUT_MS', '0'],
  ]
  for (const [name, value] of wrong) {
    it(`rejects ${name}=${value} in one line`, () => {
      expect(() => parseConfig({ [name]: value })).to.throw(
        ConfigurationError,
        new RegExp(`^${name}: [^\\n]+$`),
      )
    })
  }

  it('rejects several hosts in DATABASE_URL and DATABASE_LISTEN_URL in one sentence', () => {
    for (const url of [
      'postgres://me:s3cret@one:5432,two:5433/db',
      'postgres://one,two:5433/db',
      'postgresql://me:s3,cret@one,two?target_session_attrs=read-write',
      'postgres:///db?host=one,two',
      'postgres://me@/db?host=one%2Ctwo',
      'postgres://one/db?host=two&host=three',
    ]) {
      for (const name of ['DATABASE_URL', 'DATABASE_LISTEN_URL'])
        expect(() => parseConfig({ [name]: url }), url)
          .to.throw(ConfigurationError, new RegExp(`^${name}: must name one host; put one address [^\\n]+$`))
          .with.property('message')
          .not.contain('s3cret')
    }
    for (const url of ['postgres://me:s3,cret@one:5432/db', 'postgres://one/a,b?application_name=a,b'])
      expect(parseConfig({ DATABASE_URL: url }).DATABASE_URL).to.equal(url)
  })

  it('never prints an invalid DATABASE_URL, which may hold a password', () => {
    expect(() => parseConfig({ DATABASE_URL: 'mysql://me:s3cret@host/db' }))
      .to.throw(ConfigurationError)
      .with.property('message')
      .not.contain('s3cret')
  })

  it('rejects OTLP headers that the exporter would ignore, and does not print them', () => {
    for (const headers of [
      'authorization: Bearer s3cret',
      'authorization=s3cret,',
      '=s3cret',
      's3cret',
      'a=;s3cret',
    ])
      expect(() => parseConfig({ OTEL_EXPORTER_OTLP_HEADERS: headers }), headers)
        .to.throw(ConfigurationError, /^OTEL_EXPORTER_OTLP_HEADERS: must be like [^\n]+$/)
        .with.property('message')
        .not.contain('s3cret')
  })

  describe('secrets in files', () => {
    let folder: string
    let file: string

    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'comanda-secrets-'))
      file = join(folder, 'secret')
    })
    after(() => rmSync(folder, { recursive: true }))

    for (const [name, value] of [
      ['DATABASE_URL', 'postgres://me:s3cret@host/db'],
      ['API_TOKEN', 'comanda_s3cret'],
      ['JWT_PUBLIC_KEY', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'],
      ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20s3cret,x-tenant=7'],
      ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'authorization=Bearer s3cret'],
    ] as const) {
      const refused = (env: Record<string, string>, message: RegExp) =>
        expect(() => parseConfig({ [`${name}_FILE`]: file, ...env }))
          .to.throw(ConfigurationError, message)
          .with.property('message')
          .not.contain('s3cret')

      it(`reads ${name} from the file without its final newline`, () => {
        writeFileSync(file, `${value}\n`)
        expect(parseConfig({ [`${name}_FILE`]: file })[name]).to.equal(value)
      })

      it(`rejects ${name} beside its file, a missing file and an empty file`, () => {
        writeFileSync(file, ' \n')
        refused({}, new RegExp(`^${name}_FILE: [^\\n]+ is empty$`))
        refused({ [name]: value }, new RegExp(`^${name}_FILE: set either this or ${name}, not both`))
        refused({ [`${name}_FILE`]: join(folder, 'none') }, new RegExp(`^${name}_FILE: .* \\(ENOENT\\)$`))
        refused({ [`${name}_FILE`]: folder }, new RegExp(`^${name}_FILE: .* \\(EISDIR\\)$`))
      })
    }

    it('names the _FILE variable when the content is invalid, and does not print it', () => {
      writeFileSync(file, 'mysql://me:s3cret@host/db')
      expect(() => parseConfig({ DATABASE_URL_FILE: file }))
        .to.throw(ConfigurationError, /^DATABASE_URL_FILE: must be a postgres:/)
        .with.property('message')
        .not.contain('s3cret')
    })
  })

  it('is described in docs/configuration.md, which is up to date', () => {
    const file = join(import.meta.dirname, '..', '..', 'docs', 'configuration.md')
    expect(readFileSync(file, 'utf8'), 'run `npm run generate`').to.equal(configurationPage())
  })

  it('describes every variable in full sentences', () => {
    for (const variables of Object.values(configGroups))
      for (const [name, { description }] of Object.entries<z.ZodType>(variables))
        expect(description, name).to.match(/^[A-Z].*\.$/)
  })
})
