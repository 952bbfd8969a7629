import { ChangeRefused, UnexpectedCount } from '../platform/errors.ts'
import { exampleOf, notFound } from './problem-entry.ts'

/** Problems of operators' changes, a part of the catalogue. */
export const operatorProblems = {
  'operations-unavailable': {
    status: 403,
    title: 'No changes through this API',
    meaning:
      'This API has no database login for the changes of operators (`OPERATIONS_DATABASE_URL`). Nothing was changed.',
    whatToDo:
      'Run the command of `npm run ops` for the change, or send the request to an API with such a login.',
    example: {
      detail: 'This API has no OPERATIONS_DATABASE_URL, so that it cannot make the changes of operators',
    },
  },
  'queue-not-found': notFound('queue', 'Check the name. GET /api/v1/ops/overview lists the queues.'),
  'job-not-found': notFound(
    'job',
    'Check the id. GET /api/v1/ops/jobs lists the jobs of a queue; by default, finished jobs are deleted after a week.',
  ),
  'action-not-found': notFound('action', 'Check the id. GET /api/v1/ops/actions lists all actions.'),
  'unexpected-count': {
    status: 409,
    title: 'Unexpected count',
    meaning: 'Another number of objects matches than `expected_count`: `matched_count`. Nothing was changed.',
    whatToDo: 'Preview the action again, and send the new count.',
    example: exampleOf(new UnexpectedCount(9_412, 9_413)),
  },
  'change-refused': {
    status: 409,
    title: 'Change refused',
    meaning: 'The state of the job, delivery or webhook does not permit the change. Nothing was changed.',
    whatToDo: 'Read `detail`, and look at the object again.',
    example: exampleOf(new ChangeRefused('the job is active')),
  },
} as const
