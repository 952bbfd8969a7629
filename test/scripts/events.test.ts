import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { z } from 'zod'
import { breakingChanges, type Catalogue } from '../../scripts/events/breaking-changes.ts'
import { currentCatalogue } from '../../scripts/events/current-catalogue.ts'
import { eventsPage } from '../../scripts/events/events-page.ts'
import { type JsonSchema, jsonSchemaOf } from '../../src/events/event-schemas.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { buildAsyncApi } from '../../src/processes/asyncapi.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { spawnScript } from './spawn-script.ts'

const docs = join(import.meta.dirname, '..', '..', 'docs')
const read = (file: string) => readFileSync(join(docs, file), 'utf8')
const { events: released } = JSON.parse(read('generated/events.json')) as { events: Catalogue }

type Shape = z.ZodRawShape
const event = (data: Shape, envelope: Shape = {}): Catalogue => ({
  'x.v1': jsonSchemaOf(z.object({ ...envelope, data: z.object(data) }), 'draft-2020-12'),
})
const raw = (value: JsonSchema): Catalogue => ({
  'x.v1': {
    type: 'object',
    properties: { data: { type: 'object', properties: { p: value }, required: ['p'] } },
  },
})

const consumers = 'consumers were not told'
const written = 'they would be refused'
const text = z.string()
const colour = z.enum(['red', 'green'])
const lines = z.array(z.object({ name: text, note: text.optional() })).min(1)

describe('a change to the event catalogue', () => {
  const harmless: [what: string, then: Catalogue, now: Catalogue][] = [
    ['none', event({ p: text }), event({ p: text })],
    ['a new type', {}, event({ p: text })],
    ['a new optional property', event({ p: text }), event({ p: text, q: text.optional() })],
    [
      'a new optional property within a list',
      event({ p: lines }),
      event({
        p: z.array(z.object({ name: text, note: text.optional(), colour: colour.optional() })).min(1),
      }),
    ],
    ['a new part of the envelope', event({ p: text }), event({ p: text }, { source: text })],
    [
      'another description',
      event({ p: text }),
      event({ p: text.meta({ description: 'x', examples: ['y'] }) }),
    ],
    ['another order', event({ p: text, q: colour }), event({ q: z.enum(['green', 'red']), p: text })],
    [
      'another way to say null',
      raw({ type: ['string', 'null'] }),
      raw({ anyOf: [{ type: 'null' }, { type: 'string' }] }),
    ],
    ['another way to say one value', raw({ const: 'a' }), raw({ enum: ['a'], type: 'string' })],
    ['another way to say at least 1', event({ p: z.int().positive() }), event({ p: z.int().min(1) })],
  ]
  for (const [what, then, now] of harmless) {
    it(`is compatible when it is ${what}`, () => {
      expect(breakingChanges(then, now)).to.deep.equal([])
    })
  }

  const breaking: [what: string, then: Catalogue, now: Catalogue, where: string, whom: string][] = [
    ['a type less', event({ p: text }), {}, 'x.v1 has been released and is gone', ''],
    ['a property less', event({ p: text, q: text }), event({ p: text }), '/data/q may be missing', consumers],
    [
      'an optional property less',
      event({ q: text.optional() }),
      event({}),
      '/data/q may be missing',
      consumers,
    ],
    [
      'a property with another name',
      event({ p: text }),
      event({ q: text }),
      '/data/p may be missing',
      consumers,
    ],
    [
      'a property made optional',
      event({ p: text }),
      event({ p: text.optional() }),
      '/data/p may be missing',
      consumers,
    ],
    [
      'a property made nullable',
      event({ p: text }),
      event({ p: text.nullable() }),
      '/data/p may be null',
      consumers,
    ],
    ['a wider type', event({ p: z.int() }), event({ p: z.number() }), '/data/p may be a number', consumers],
    [
      'one type more',
      event({ p: text }),
      event({ p: z.union([text, z.boolean()]) }),
      '/data/p may be a boolean',
      consumers,
    ],
    ['any type', event({ p: text }), event({ p: z.unknown() }), '/data/p may be of any type', consumers],
    [
      'one value more',
      event({ p: colour }),
      event({ p: z.enum(['red', 'green', 'blue']) }),
      '/data/p may be "blue"',
      consumers,
    ],
    [
      'any value',
      event({ p: colour }),
      event({ p: text }),
      '/data/p may be other than "red", "green"',
      consumers,
    ],
    [
      'another constant',
      event({ p: z.literal('a') }),
      event({ p: z.literal('b') }),
      '/data/p may be "b"',
      consumers,
    ],
    ['another format', event({ p: z.uuid() }), event({ p: z.email() }), '/data/p may be no uuid', consumers],
    ['no format', event({ p: z.uuid() }), event({ p: text }), '/data/p may be no uuid', consumers],
    [
      'another pattern',
      event({ p: text.regex(/^a$/) }),
      event({ p: text.regex(/^b$/) }),
      '/data/p may not match ^a$',
      consumers,
    ],
    [
      'no least number',
      event({ p: z.int().min(0) }),
      event({ p: z.int() }),
      '/data/p may be beyond minimum 0',
      consumers,
    ],
    [
      'a higher greatest number',
      event({ p: z.int().max(9) }),
      event({ p: z.int().max(10) }),
      '/data/p may be beyond maximum 9',
      consumers,
    ],
    [
      'a longer text',
      event({ p: text.max(5) }),
      event({ p: text }),
      '/data/p may be beyond maxLength 5',
      consumers,
    ],
    [
      'an empty list',
      event({ p: lines }),
      event({ p: z.array(z.object({ name: text, note: text.optional() })) }),
      '/data/p may be beyond minItems 1',
      consumers,
    ],
    [
      'a list of something else',
      event({ p: z.array(text) }),
      event({ p: z.array(z.int()) }),
      '/data/p/* may be an integer',
      consumers,
    ],
    [
      'a property less within a list',
      event({ p: lines }),
      event({ p: z.array(z.object({ name: text })).min(1) }),
      '/data/p/*/note may be missing',
      consumers,
    ],
    [
      'a property less within what may be null',
      event({ p: z.object({ q: text, r: text.optional() }).nullable() }),
      event({ p: z.object({ q: text }).nullable() }),
      '/data/p/r may be missing',
      consumers,
    ],
    [
      'a part of the envelope less',
      event({}, { sequence: text }),
      event({}),
      '/sequence may be missing',
      consumers,
    ],
    [
      'values of a map that are of another type',
      event({ p: z.record(text, z.int()) }),
      event({ p: z.record(text, text) }),
      '/data/p/* may be a string',
      consumers,
    ],
    [
      'a property beside those of a closed one',
      event({ p: z.strictObject({ q: text }) }),
      event({ p: z.object({ q: text, r: text.optional() }) }),
      '/data/p/r may be there',
      consumers,
    ],
    [
      'a keyword that is not compared',
      raw({ type: 'number', multipleOf: 2 }),
      raw({ type: 'number', multipleOf: 3 }),
      '/data/p may be other in multipleOf',
      consumers,
    ],
    [
      'a new required property',
      event({ p: text }),
      event({ p: text, q: text }),
      '/data/q may be missing',
      written,
    ],
    [
      'a property made required',
      event({ p: text.optional() }),
      event({ p: text }),
      '/data/p may be missing',
      written,
    ],
    [
      'a property that is never null any more',
      event({ p: text.nullable() }),
      event({ p: text }),
      '/data/p may be null',
      written,
    ],
    [
      'one value less',
      event({ p: colour }),
      event({ p: z.literal('red') }),
      '/data/p may be "green"',
      written,
    ],
    ['a new format', event({ p: text }), event({ p: z.uuid() }), '/data/p may be no uuid', written],
    [
      'a shorter text',
      event({ p: text }),
      event({ p: text.max(5) }),
      '/data/p may be beyond maxLength 5',
      written,
    ],
  ]
  for (const [what, then, now, where, whom] of breaking) {
    it(`is breaking when it is ${what}`, () => {
      expect(breakingChanges(then, now).join('\n')).to.include(where).and.to.include(whom)
    })
  }

  it('is reported once per party that it breaks', () => {
    expect(breakingChanges(event({ p: text }), event({ p: z.int() }))).to.deep.equal([
      'x.v1 /data/p may be an integer: consumers were not told',
      'x.v1 /data/p may be a string in events already written: they would be refused',
    ])
  })
})

describe('the released event catalogue', () => {
  it('is compatible with the current one', () => {
    expect(Object.keys(released).length).to.be.above(5)
    expect(breakingChanges(released, currentCatalogue())).to.deep.equal([])
  })

  it('is checked by `npm run check -- events`, which fails and names the breaking change', async () => {
    const good = await spawnScript('events', []).ended
    expect(good).to.include({ status: 0, stderr: '' })
    const file = join(temporaryFolder(), 'events.json')
    const { 'order.placed.v1': placed } = released
    writeFileSync(file, JSON.stringify({ version: '9.9.9', events: { 'order.lost.v1': placed } }))
    const bad = await spawnScript('events', ['--against', file]).ended
    expect(bad.status).to.equal(1)
    expect(bad.stderr).to.include('order.lost.v1 has been released and is gone').and.to.include('9.9.9')
  })
})

describe('the generated files of the event catalogue', () => {
  it('is up to date: docs/events.md', () => {
    expect(read('events.md')).to.equal(eventsPage())
  })

  it('is up to date: docs/generated/asyncapi.json', () => {
    const document = buildAsyncApi(parseConfig({}))
    expect(JSON.parse(read('generated/asyncapi.json'))).to.deep.equal(JSON.parse(JSON.stringify(document)))
  })

  it('link to files and headings that exist', () => {
    const page = read('events.md')
    const anchors = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    )
    for (const [, target = ''] of page.matchAll(/\]\((?!https:)([^)]+)\)/g)) {
      if (target.startsWith('#')) expect(anchors).to.include(target.slice(1))
      else expect(() => read(target), target).not.to.throw()
    }
  })
})
