import { ConfigurationError } from './config.ts'

/**
 * Points in the code at which the fault suite makes a process fail. They do nothing unless the
 * environment variable `FAILPOINTS` is set, which is for tests only and is logged as a warning.
 */
const failpoints = [
  'dispatcher.claimed',
  'dispatcher.jobs-inserted',
  'dispatcher.before-commit',
  'dispatcher.after-commit',
  'worker.begun',
  'worker.effect-written',
  'worker.chained',
  'worker.before-commit',
  'worker.after-commit',
] as const

type Failpoint = (typeof failpoints)[number]

interface Trap {
  action: 'kill' | 'freeze' | 'throw'
  /** fails only if one of the failpoint's subjects equals this */
  subject: string | undefined
  /** number of hits to ignore first */
  passes: number
}

const traps = new Map<Failpoint, Trap>()

/**
 * Arms failpoints. `worker.effect-written=kill#3,dispatcher.claimed=throw` triggers the first at
 * its third hit and the second at every hit; `worker.begun=kill:ID` triggers when ID is among the
 * subjects. `freeze` sends SIGSTOP to the process, which continues after a SIGCONT.
 * @throws ConfigurationError naming the invalid part
 */
export function armFailpoints(specification: string): void {
  for (const part of specification.split(',').filter(part => part !== '')) {
    const match = /^([\w.-]+)=(kill|freeze|throw)(?:#(\d+))?(?::(\S+))?$/.exec(part)
    const name = match?.[1] as Failpoint
    if (!match || !failpoints.includes(name))
      throw new ConfigurationError(`FAILPOINTS: invalid failpoint ${part}`)
    traps.set(name, {
      action: match[2] as Trap['action'],
      subject: match[4],
      passes: Number(match[3] ?? 1) - 1,
    })
  }
}

export function isArmed(name: Failpoint): boolean {
  return traps.has(name)
}

/**
 * Fails here if the failpoint is armed: throws, or kills or freezes the process.
 * @param subjects what the code works on, e.g. the ids of the orders in the batch
 */
export function failpoint(name: Failpoint, subjects: () => readonly string[] = () => []): void {
  const trap = traps.get(name)
  if (!trap || (trap.subject !== undefined && !subjects().includes(trap.subject))) return
  if (trap.passes-- > 0) return
  if (trap.action === 'throw') throw new Error(`failpoint ${name}`)
  process.kill(process.pid, trap.action === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  traps.delete(name)
}
