import { expect } from 'chai'
import { ConfigurationError, configVariables, parseConfig } from '../../src/platform/config.ts'

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

  it('takes an empty value for one left out', () => {
    expect(parseConfig({ PORT: '', DATABASE_URL: '' })).to.deep.equal(parseConfig({}))
  })

  it('cannot be changed once parsed', () => {
    expect(Object.isFrozen(parseConfig({}))).to.equal(true)
  })

  const wrong: [name: string, value: string][] = [
    ['PORT', 'eight thousand'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['PORT', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['DATABASE_URL', 'not a url'],
    ['API_POOL_COUNT', '0'],
    ['DISPATCHER_POOL_COUNT', 'many'],
    ['WORKER_POOL_COUNT', '1'],
    ['PLACEMENT_BATCH_COUNT', '0'],
    ['REQUIRE_IDEMPOTENCY_KEY', 'perhaps'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', '127.0.0.1:4318'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['DATABASE_TIMEOUT_MS', '1s'],
    ['SHUTDOWN_TIMEOUT_MS', '0'],
  ]
  for (const [name, value] of wrong) {
    it(`says in one line that ${name} cannot be ${value}`, () => {
      expect(() => parseConfig({ [name]: value })).to.throw(
        ConfigurationError,
        new RegExp(`^${name}: [^\\n]+$`),
      )
    })
  }

  it('never repeats a wrong DATABASE_URL, which may hold a password', () => {
    expect(() => parseConfig({ DATABASE_URL: 'mysql://me:s3cret@host/db' }))
      .to.throw(ConfigurationError)
      .with.property('message')
      .not.contain('s3cret')
  })

  it('describes every variable', () => {
    for (const { name, description } of configVariables) expect(description, name).to.not.equal('')
  })
})
