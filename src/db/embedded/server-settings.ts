import { statfsSync } from 'node:fs'
import { totalmem } from 'node:os'

/** What the settings of the embedded server depend on, in MB. */
export interface Machine {
  /** memory that this process may use: of the machine, or of its container if that is less */
  memoryMb: number
  /** free space on the disk of the data folder */
  freeDiskMb: number
}

const MB = 2 ** 20

export function readMachine(dataFolder: string): Machine {
  // 0 where no limit is known.
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY
  const { bavail, bsize } = statfsSync(dataFolder)
  return { memoryMb: Math.min(totalmem(), limit) / MB, freeDiskMb: (bavail * bsize) / MB }
}

/**
 * Returns server settings that fit the machine, which also runs Comanda and other programs.
 * PostgreSQL's defaults fit any machine: 128 MB of buffers, and a checkpoint after at most 1 GB of
 * WAL or 5 minutes, after which every page is written to the WAL in full again.
 */
export function settingsFor({ memoryMb, freeDiskMb }: Machine): Record<string, string> {
  // A crash recovery reads at most about half of it, which takes seconds.
  const maxWalMb = between(256, freeDiskMb / 10, 4_096)
  return {
    shared_buffers: `${between(128, memoryMb / 8, 1_024)}MB`,
    max_wal_size: `${maxWalMb}MB`,
    // Segments that are kept for reuse: all commits wait while a new one is created.
    min_wal_size: `${maxWalMb / 4}MB`,
    checkpoint_timeout: '15min',
  }
}

function between(min: number, value: number, max: number): number {
  // Divisible by four, for `min_wal_size`.
  return Math.floor(Math.min(Math.max(min, value), max) / 4) * 4
}
