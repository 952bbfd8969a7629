import { existsSync, readdirSync, readFileSync } from 'node:fs'

/**
 * Reads a process's memory (now and at its peak) and CPU time from /proc. Returns undefined when it
 * has ended.
 */
export function processUse(
  pid: number,
): { rssMb: number; peakRssMb: number; cpuSeconds: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return {
      rssMb: megabytes(status, 'VmRSS'),
      peakRssMb: megabytes(status, 'VmHWM'),
      cpuSeconds: statOf(pid).ownSeconds,
    }
  } catch {
    return undefined
  }
}

/**
 * Returns the CPU time of a process and of its children, ended ones included; NaN where there is no
 * /proc.
 */
export function familyCpuSeconds(pid: number): number {
  if (!existsSync('/proc')) return Number.NaN
  const { ownSeconds, endedSeconds } = statOf(pid)
  const children = readdirSync('/proc').flatMap(name => {
    try {
      const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
      return stat?.parent === pid ? [stat.ownSeconds] : []
    } catch {
      return [] // has ended
    }
  })
  return children.reduce((sum, seconds) => sum + seconds, ownSeconds + endedSeconds)
}

/** Reads a process's parent and CPU times from /proc: its own, and that of its ended children. */
function statOf(pid: number): { parent: number; ownSeconds: number; endedSeconds: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').map(Number) ?? []
  const [, parent = Number.NaN] = fields
  const [user = Number.NaN, system = Number.NaN, endedUser = Number.NaN, endedSystem = Number.NaN] =
    fields.slice(11)
  return { parent, ownSeconds: (user + system) / 100, endedSeconds: (endedUser + endedSystem) / 100 }
}

function megabytes(status: string, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}
