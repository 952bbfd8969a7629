import { ConfigurationError } from './config.ts'

/**
 * Named places at which the fault suite makes a process fail. Without the variable `FAILPOINTS` they do nothing; it is
 * for tests only, and a production process logs a warning when it is set.
 */
const failpoints = [
  'dispatcher.claimed',
  'dispatcher.jobs-inserted',
  'dispatcher.before-commit',
  'dispatcher.after-commit',
  'worker.begun',
  'worker.effect-written',
  'worker.before-commit',
  'worker.after-commit',
] as const

type Failpoint = (typeof failpoints)[number]

interface Trap {
  action: 'kill' | 'freeze' | 'throw'
  /** only when one of the subjects is this */
  subject: string | undefined
  /** hits that pass before it springs */
  passes: number
}

const traps = new Map<Failpoint, Trap>()

/**
 * Arms failpoints: `worker.effect-written=kill#3,dispatcher.claimed=throw` springs the first at its third hit and the
 * second at every hit; `worker.begun=kill:ID` springs when ID is among what the place is about. `freeze` stops the
 * process as a SIGSTOP does, until a SIGCONT.
 * @throws ConfigurationError with what cannot be read
 */
export function armFailpoints(specification: string): void {
  for (const part of specification.split(',').filter(part => part !== '')) {
    const match = /^([\w.-]+)=(kill|freeze|throw)(?:#(\d+))?(?::(\S+))?$/.exec(part)
    const name = match?.[1] as Failpoint
    if (!match || !failpoints.includes(name)) throw new ConfigurationError(`FAILPOINTS: cannot read ${part}`)
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
 * A place at which a process may fail.
 * @param subjects what it is about, e.g. the ids of the orders in hand
 */
export function failpoint(name: Failpoint, subjects: () => readonly string[] = () => []): void {
  const trap = traps.get(name)
  if (!trap || (trap.subject !== undefined && !subjects().includes(trap.subject))) return
  if (trap.passes-- > 0) return
  if (trap.action === 'throw') throw new Error(`failpoint ${name}`)
  process.kill(process.pid, trap.action === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  traps.delete(name)
}
