import { readFileSync } from 'node:fs'

/**
 * Reads a process's memory (now and at its peak) and CPU time from /proc. Returns undefined when it
 * has ended.
 */
export function processUse(
  pid: number,
): { rssMb: number; peakRssMb: number; cpuSeconds: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const ticks = Number(fields[11]) + Number(fields[12])
    return {
      rssMb: megabytes(status, 'VmRSS'),
      peakRssMb: megabytes(status, 'VmHWM'),
      cpuSeconds: ticks / 100,
    }
  } catch {
    return undefined
  }
}

function megabytes(status: string, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}
