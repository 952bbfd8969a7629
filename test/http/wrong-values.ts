/** Values that each kind of field must refuse, with the error text. */

export interface WrongValue {
  name: string
  /** JSON text, because JSON.stringify cannot write some of these values */
  json: string
  detail: string
  /** pointer of the error, relative to the field */
  below?: string
}

/**
 * Levels that a body may have. The deepest value of a body is inside three: a line, the list of
 * lines and the body.
 */
export const MAX_DEPTH = 32
const VERY_DEEP = 10_000

export const listOf = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const objectOf = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

const deepList = listOf(MAX_DEPTH - 3)
const deepObject = objectOf(MAX_DEPTH - 3)

/**
 * JSON beyond the permitted depth, by one level and by many, alone and beside shallow values.
 */
export const tooDeep: { name: string; json: string }[] = [MAX_DEPTH + 1, VERY_DEEP, 40_000].flatMap(depth => [
  { name: `a list of ${depth} levels`, json: listOf(depth) },
  { name: `an object of ${depth} levels`, json: objectOf(depth) },
  {
    name: `${depth} levels after a thousand flat ones`,
    json: `[${'[],{},'.repeat(1_000)}${listOf(depth - 1)}]`,
  },
])

const byType = {
  null: ['null'],
  boolean: ['true', 'false'],
  number: ['5', '0', '-1', '1.5', '9007199254740992', '1e400', '-1e400'],
  string: ['""', '"x"', String.raw`"\u0000"`, String.raw`"\ud800"`],
  list: ['[]', '["x"]', '[null]', deepList],
  object: ['{}', '{"a":1}', '{"__proto__":{}}', '{"toString":"x","valueOf":1}', deepObject],
} as const

type JsonType = keyof typeof byType

function allOf(types: readonly JsonType[], detail: string): WrongValue[] {
  return types.flatMap(type => byType[type].map(json => wrong(json, detail)))
}

function allBut(accepted: readonly JsonType[], detail: string): WrongValue[] {
  const types = Object.keys(byType) as JsonType[]
  return allOf(
    types.filter(type => !accepted.includes(type)),
    detail,
  )
}

function wrong(json: string, detail: string, below?: string): WrongValue {
  const name = json.length > 60 ? `${json.slice(0, 20)}… (${json.length} characters)` : json
  return { name, json, detail, ...(below === undefined ? {} : { below }) }
}

/** The values that an optional property refuses: `null` counts as absent. */
export const butNull = (values: WrongValue[]) => values.filter(({ json }) => json !== 'null')

/** @param lines whether the text may have line breaks */
export function wrongTexts(
  maxLength: number,
  lines: 'one line' | 'several lines' = 'one line',
): WrongValue[] {
  const control = `must not contain control characters ${lines === 'one line' ? 'such as line breaks' : 'except line breaks and tabs'}`
  const invisible = 'must have a visible character'
  const surrogate = 'must not contain a lone surrogate'
  const breaks = [String.raw`"a\nb"`, String.raw`"a\r\nb"`, String.raw`"a\tb"`, String.raw`"a\u2028b"`]
  return [
    ...allBut(['string'], 'must be a string'),
    wrong('""', 'must not be empty'),
    wrong(String.raw`" \t\n\u00a0 "`, 'must not be empty'),
    wrong(`"${'x'.repeat(maxLength + 1)}"`, `must not be longer than ${maxLength} characters`),
    wrong(`"${'x'.repeat(200_000)}"`, `must not be longer than ${maxLength} characters`),
    ...[String.raw`"\u0000"`, String.raw`"a\u0000b"`, String.raw`"a\u0007"`, String.raw`"a\u001b[31mb"`].map(
      json => wrong(json, control),
    ),
    ...(lines === 'one line' ? breaks : []).map(json => wrong(json, control)),
    ...[0x200b, 0x200d, 0x2060, 0xad, 0x202e, 0x0301, 0x3164, 0x115f, 0x2800, 0xfe0f, 0xe0041]
      .map(code => String.fromCodePoint(code))
      .flatMap(character => [character, `${character} ${character}`])
      .map(text => wrong(JSON.stringify(text), invisible)),
    wrong(String.raw`"\ud800"`, surrogate),
    wrong(String.raw`"\udc00\ud800"`, surrogate),
  ]
}

export function wrongWholeNumbers(min: number, max: number): WrongValue[] {
  const tooSmall = `must not be less than ${min}`
  const tooLarge = `must not be more than ${max}`
  return [
    ...allBut(['number'], 'must be a number'),
    wrong('"5"', 'must be a number'),
    wrong('1e400', 'must be a number'),
    wrong('-1e400', 'must be a number'),
    wrong('1.5', 'must be a whole number'),
    wrong(String(min - 1), tooSmall),
    wrong('-1', tooSmall),
    wrong('-9007199254740992', tooSmall),
    wrong(String(max + 1), tooLarge),
    wrong('2147483648', tooLarge),
    wrong('9007199254740992', tooLarge),
    wrong('1e300', tooLarge),
  ]
}

export function wrongBooleans(): WrongValue[] {
  return [...allBut(['boolean'], 'must be true or false'), wrong('"true"', 'must be true or false')]
}

export function wrongIds(): WrongValue[] {
  const detail = 'must be a UUID'
  const id = '019a0000-0000-7000-8000-000000000001'
  return [
    ...allBut([], detail),
    wrong(`"${id.replaceAll('-', '')}"`, detail),
    wrong(`"{${id}}"`, detail),
    wrong(`" ${id}"`, detail),
    wrong(String.raw`"${id}\n"`, detail),
    wrong(String.raw`"${id}\u0000"`, detail),
    wrong(`"${id.replace('a', 'g')}"`, detail),
    wrong(`"${id}'; drop table orders; --"`, detail),
    wrong(`["${id}"]`, detail),
    wrong(`"${'0'.repeat(200_000)}"`, detail),
  ]
}

/** @param largest error text with the limit of the restaurant's currency */
export function wrongAmounts(largest: string): WrongValue[] {
  const detail = 'must be an amount like "12.50" or 12.5, not negative, at most 1000000000 minor units'
  return [
    ...allBut(['number', 'string'], detail),
    ...['-1', '-0.01', '1e400', '1000000001', '9007199254740992'].map(json => wrong(json, detail)),
    ...[
      '""',
      '"x"',
      '"-1"',
      '"1e3"',
      '"1,50"',
      '" 1"',
      '"1."',
      '".5"',
      '"0x10"',
      '"٣"',
      '"NaN"',
      '"99999999999"',
      '"1.00000"',
    ].map(json => wrong(json, detail)),
    wrong(String.raw`"1\u0000"`, detail),
    wrong(String.raw`"1\n"`, detail),
    wrong(String.raw`"\ud800"`, detail),
    wrong(`"${'9'.repeat(200_000)}"`, detail),
    ...['1.505', '"1.505"', '1e-7', '0.30000000000000004', '10000000.01', '1000000000', '"1000000000"'].map(
      json => wrong(json, largest),
    ),
  ]
}

export function wrongTimes(): WrongValue[] {
  const detail = 'must be a time like 2026-11-22T18:30:00Z'
  return [
    ...allBut([], detail),
    ...[
      '"2030-01-01"',
      '"2030-01-01T00:00:00"',
      '"2030-02-30T00:00:00Z"',
      '"2030-01-01 00:00:00Z"',
      '" 2030-01-01T00:00:00Z"',
      '"+012030-01-01T00:00:00Z"',
      String.raw`"2030-01-01T00:00:00Z\n"`,
    ].map(json => wrong(json, detail)),
    wrong('"0000-01-01T00:00:00Z"', 'must be in a year from 1 to 9999'),
  ]
}

export function wrongCurrencies(): WrongValue[] {
  const shape = 'must be an ISO 4217 code like EUR'
  return [
    ...allBut(['string'], 'must be a string'),
    ...['""', '"eur"', '"EURO"', '"E"', '" EUR"', String.raw`"EU\u0000"`, String.raw`"\ud800UR"`].map(json =>
      wrong(json, shape),
    ),
    wrong(`"${'E'.repeat(200_000)}"`, shape),
    wrong('"QQQ"', 'QQQ is not an ISO 4217 currency'),
  ]
}

export function wrongTimeZones(): WrongValue[] {
  const shape = 'must be an IANA time zone like Europe/Rome'
  return [
    ...allBut(['string'], 'must be a string'),
    ...['""', '" UTC"', '"+02:00"', '"Europe Rome"', String.raw`"UT\u0000"`, String.raw`"\ud800TC"`].map(
      json => wrong(json, shape),
    ),
    wrong(`"${'E'.repeat(200_000)}"`, shape),
    wrong('"Europe/Atlantis"', 'Europe/Atlantis is not a time zone that the database knows'),
  ]
}

export function wrongChoices(choices: readonly string[]): WrongValue[] {
  const detail = `must be one of ${choices.join(', ')}`
  return [
    ...allBut([], detail),
    ...choices.flatMap(choice =>
      [`"${choice.toLowerCase()}"`, `" ${choice}"`, `["${choice}"]`].map(json => wrong(json, detail)),
    ),
    wrong('"constructor"', detail),
    wrong('"__proto__"', detail),
    wrong(`"${'X'.repeat(200_000)}"`, detail),
  ]
}

/** @param line a valid line, as JSON */
export function wrongLists(maxCount: number, line: string): WrongValue[] {
  const tooMany = `must not have more than ${maxCount} lines`
  return [
    ...allBut(['list'], 'must be a list of lines'),
    wrong('[]', 'must have at least one line'),
    wrong(`[${`${line},`.repeat(maxCount)}${line}]`, tooMany),
    wrong(`[${'0,'.repeat(100_000)}0]`, tooMany),
    ...['[null]', deepList].map(json => wrong(json, 'must be an object', '/0')),
    wrong(`[${deepObject}]`, 'is not a known property', '/0/a'),
    ...['5', '"x"', '[]', 'true'].map(json => wrong(`[${line},${json}]`, 'must be an object', '/1')),
  ]
}

/** @param maxCount limit of ids */
export function wrongIdLists(maxCount: number): WrongValue[] {
  const id = '"019a0000-0000-7000-8000-000000000001"'
  return [
    ...allBut(['list'], 'must be a list'),
    wrong('[]', 'must not be empty'),
    wrong(`[${`${id},`.repeat(maxCount)}${id}]`, `must not have more than ${maxCount} entries`),
    ...['null', '5', '"x"', '[]', '{}'].map(json => wrong(`[${id},${json}]`, 'must be a UUID', '/1')),
  ]
}

/** Event patterns that match no event of the catalogue. */
export function wrongPatterns(): WrongValue[] {
  const detail =
    'must be an event type like order.placed.v1, a prefix like order.*, or * for all; /asyncapi.json lists the event types'
  return [
    ...allBut(['list'], 'must be a list'),
    wrong('[]', 'must not be empty'),
    wrong(`[${'"*",'.repeat(50)}"*"]`, 'must not have more than 50 entries'),
    ...['null', '5', '[]', '{}'].map(json => wrong(`["*",${json}]`, 'must be a string', '/1')),
    ...[
      '""',
      '"order"',
      '"order."',
      '"order.*.v1"',
      '"*.v1"',
      '"orders.*"',
      '"order.placed.v2"',
      '"ORDER.*"',
      '" *"',
    ].map(json => wrong(`["order.*",${json}]`, detail, '/1')),
    wrong(String.raw`["\u0000"]`, detail, '/0'),
    wrong(`["${'o'.repeat(100_000)}"]`, detail, '/0'),
  ]
}

/** URLs that are refused without resolving their host. */
export function wrongUrls(): WrongValue[] {
  const notPublic = 'must be on a public host'
  return [
    ...wrongTexts(2_000).filter(({ json }) => json !== '"x"'),
    ...['"x"', '"/hooks"', '"//example.com"', '"https://"', '"https://[::1"', '"https://1.2.3.4.5/"'].map(
      json => wrong(json, 'must be an absolute URL like https://example.com/hooks'),
    ),
    ...['http://example.com/', 'ftp://example.com/', 'ws://example.com', 'javascript:alert(1)'].map(url =>
      wrong(
        `"${url}"`,
        url.startsWith('javascript')
          ? 'must be an absolute URL like https://example.com/hooks'
          : 'must begin with https://',
      ),
    ),
    ...['https://name@example.com/', 'https://name:word@example.com/', 'https://:word@example.com/'].map(
      url =>
        wrong(
          `"${url}"`,
          'must not contain a user name or password: deliveries are authenticated by their signature',
        ),
    ),
    wrong('"https://example.com/#part"', 'must not have a fragment'),
    ...[
      'https://localhost/',
      'https://LOCALHOST./',
      'https://intranet/',
      'https://db.internal/',
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://0x7f.1/',
      'https://0177.0.0.1/',
      'https://10.1.2.3:8443/',
      'https://169.254.169.254/latest/meta-data/',
      'https://[::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[fd00::1]/',
    ].map(url => wrong(`"${url}"`, notPublic)),
  ]
}

/** Bodies that are JSON but no object, or nested very deeply. */
export function wrongBodies(): WrongValue[] {
  return [...allBut(['object'], 'must be an object'), wrong(deepObject, 'is not a known property', '/a')]
}

/** Unknown properties, as written in JSON and as written in a JSON Pointer. */
export const unknownProperties = [
  ['surprise', 'surprise'],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['hasOwnProperty', 'hasOwnProperty'],
  ['', ''],
  ['a/b~c', 'a~1b~0c'],
  [String.raw`\u0000`, '\uFFFD'],
  [String.raw`\ud800`, '\uFFFD'],
  ['k'.repeat(5_000), 'k'.repeat(100)],
] as const

/** Bodies that are not JSON. */
export const notJson = [
  '{',
  '}',
  '{"a":',
  '{"a":1',
  '{"a":1,}',
  '{"a":1}{"b":2}',
  "{'a':1}",
  '{a:1}',
  '[1,',
  'nul',
  'undefined',
  'NaN',
  '{"a":Infinity}',
  '{"a":01}',
  '"\n"',
  String.raw`"\x41"`,
  String.raw`"\ud8"`,
  ' ',
  '\u0000',
  'a=1&b=2',
  '<order/>',
  '['.repeat(VERY_DEEP),
  '{"a":'.repeat(VERY_DEEP),
]

/** Headers of bodies in other types, character sets or encodings. */
export const unacceptedHeaders: Record<string, string>[] = [
  {},
  { 'content-type': '' },
  { 'content-type': 'json' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'text/json' },
  { 'content-type': 'application/xml' },
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': 'application/json; charset=latin1' },
  { 'content-type': 'application/json; charset="iso-8859-1"' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': 'application/json; charset=nonsense' },
  ...['gzip', 'br', 'deflate', 'zstd', 'nonsense', 'gzip, identity'].map(encoding => ({
    'content-type': 'application/json',
    'content-encoding': encoding,
  })),
]

/** Malformed ids in a path. Each is 404. */
export const wrongPathIds = [
  'x',
  '0',
  '-1',
  '1.5',
  'null',
  '__proto__',
  '..',
  '%00',
  '%0d%0aX-Injected:%20yes',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  "1'%20or%20'1'='1",
  '019a0000000070008000000000000001',
  '019a0000-0000-7000-8000-00000000000%00',
  '019a0000-0000-7000-8000-0000000000010',
  'x'.repeat(8_000),
]
