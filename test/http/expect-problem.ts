import { expect } from 'chai'
import { type ProblemCode, problems } from '../../src/http/problem.ts'
import type { FieldError } from '../../src/platform/errors.ts'
import type { RawReply } from './send.ts'

/** What must never get out: statements and errors of the database, stacks, paths of files. */
const INTERNALS = [
  /\b(select|insert into|update|delete from)\b.*\b(from|values|set|where)\b/is,
  /violates|constraint|relation "|syntax error|invalid input syntax|byte sequence|out of range/i,
  /\bat .+:\d+:\d+|node_modules|node:internal/,
  /\/(src|work|home|usr|tmp|app)\/|\.[cm]?[jt]s\b|[A-Z]:\\/,
  /\b(Type|Range|Syntax|Reference|QueryFailed|Zod)Error\b|ECONN/,
]

export interface ExpectedProblem {
  code: ProblemCode
  status?: number
  /** errors that must be among those named */
  errors?: FieldError[]
}

/** An answer of this kind, whole and well-formed as design §4 has it. */
export function expectProblem(reply: RawReply, { code, errors, ...expected }: ExpectedProblem): void {
  const { status, title } = code === 'internal' ? { status: 500, title: undefined } : problems[code]
  expect(reply.status, reply.text.slice(0, 500)).to.equal(expected.status ?? status)
  expect(reply.headers['content-type']).to.match(/^application\/problem\+json\b/)
  const body = JSON.parse(reply.text) as Record<string, unknown> & { errors?: FieldError[] }
  expect(body).to.include({ type: `/problems/${code}`, code, status: reply.status })
  if (title) expect(body['title']).to.equal(title)
  expect(body['detail']).to.be.a('string').and.not.equal('')
  expect(body['request_id']).to.equal(reply.headers['x-request-id'])
  for (const internals of INTERNALS) expect(reply.text).not.to.match(internals)
  if (errors) expect(body.errors, reply.text.slice(0, 500)).to.deep.include.members(errors)
}
