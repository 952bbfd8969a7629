import { meter } from '../platform/meters.ts'

const failures = meter.createCounter('comanda.job.failures', {
  description: 'Attempts at a job that failed, to be tried again or given up',
})
const retries = meter.createCounter('comanda.job.retries', {
  description: 'Attempts at a job after its first',
})
const deadLetters = meter.createCounter('comanda.dead.letters', {
  description: 'Jobs that used up their attempts',
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
