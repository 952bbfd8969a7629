import { z } from 'zod'
import type { Route } from '../../http/route.ts'
import { id } from '../../http/schema-fields.ts'
import { queueNames } from '../../jobs/queues.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { DELIVERIES } from '../../webhooks/deliveries.ts'
import { pauseQueue, resumeQueue } from '../actions/pause-queue.ts'
import { retryJob } from '../actions/retry-job.ts'
import { changeBody, opsChange } from './ops-change.ts'
import type { OpsRoutesOptions } from './ops-route.ts'

/** Changes of queues and single jobs. */
export function queueChanges(options: OpsRoutesOptions): Route[] {
  return [switchRoute(options, true), switchRoute(options, false), retryRoute(options)]
}

const queueName = z.enum([...queueNames, DELIVERIES]).meta({
  id: 'OpsQueueName',
  description: 'Name of the queue; `downstream.deliver` stands for the deliveries to all webhooks',
  example: 'inventory.restore',
})

const switchedQueue = z
  .object({
    queue: queueName,
    paused: z.boolean().meta({ description: 'Whether the queue is paused now', example: true }),
    changed: z.boolean().meta({ description: 'false: it was so before', example: true }),
  })
  .meta({ id: 'OpsSwitchedQueue', description: 'A queue that was paused or resumed' })

function switchRoute(options: OpsRoutesOptions, paused: boolean): Route {
  return opsChange(options, {
    path: `/api/v1/ops/queues/{queue}/${paused ? 'pause' : 'resume'}`,
    operationId: paused ? 'pauseOpsQueue' : 'resumeOpsQueue',
    summary: paused ? 'Pause a queue' : 'Resume a queue',
    description: paused
      ? 'Within 5 s, every worker finishes its current batch of the queue and fetches no more. New jobs are still queued. The pause survives restarts.'
      : 'Workers fetch the jobs of the queue again, within 5 s.',
    params: z.strictObject({ queue: queueName }),
    resource: 'queue',
    body: changeBody,
    status: 200,
    statusDescription: paused ? 'The queue is paused' : 'The queue is not paused',
    replySchema: switchedQueue,
    replyExample: { queue: 'inventory.restore', paused, changed: true },
    errors: ['queue-not-found'],
    change: async (tx, { params: { queue }, operator }) => {
      const changed = await (paused ? pauseQueue : resumeQueue)(tx, queue, operator)
      return { body: { queue, paused, changed } }
    },
  })
}

const retriedJob = z
  .object({
    queue: z.string().meta({ description: 'Queue of the job', example: 'inventory.deduct' }),
    job_id: id('job or delivery', demoIds.delivery),
    redriven_job_id: z.uuid().nullable().meta({
      description:
        'The new job, if the job was a dead letter and was redriven; null: the job itself is due now',
      example: null,
    }),
  })
  .meta({ id: 'OpsRetriedJob', description: 'A job that was retried' })

const retryRoute = (options: OpsRoutesOptions) =>
  opsChange(options, {
    path: '/api/v1/ops/jobs/{job_id}/retry',
    operationId: 'retryOpsJob',
    summary: 'Retry a job',
    description:
      'Makes a job or webhook delivery due now that waits for its next attempt. One that used up its attempts is redriven from its dead letter. Safe at any time: no event has its effect twice.',
    params: z.strictObject({ job_id: id('job or delivery', demoIds.delivery) }),
    resource: 'job',
    body: changeBody,
    status: 200,
    statusDescription: 'The job is due now, or redriven',
    replySchema: retriedJob,
    replyExample: { queue: DELIVERIES, job_id: demoIds.delivery, redriven_job_id: null },
    errors: ['job-not-found', 'change-refused'],
    change: async (tx, { params: { job_id }, operator, operations }) => ({
      body: await retryJob(tx, operations.boss, job_id, operator),
    }),
  })
