import { meter } from '../platform/meters.ts'

const failures = meter.createCounter('comanda.job.failures', {
  description: 'Failed attempts of jobs, to be retried or dead-lettered',
})
const retries = meter.createCounter('comanda.job.retries', {
  description: 'Attempts of jobs after the first',
})
const deadLetters = meter.createCounter('comanda.dead.letters', {
  description: 'Jobs that used up their retries',
})

export function countFailure(queue: string): void {
  failures.add(1, { queue })
}

export function countRetries(queue: string, jobs: number): void {
  if (jobs > 0) retries.add(jobs, { queue })
}

export function countDeadLetter(queue: string | null): void {
  deadLetters.add(1, { queue: queue ?? 'unknown' })
}
