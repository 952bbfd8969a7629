import { execFileSync, spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { temporaryFolder } from './temporary-folder.ts'

/** A folder on a disk of its own, whose size can be changed while it is in use. */
export interface LimitedDisk {
  /** Leaves no free space. */
  fill: () => void
  /** @param megabytes new size */
  resize: (megabytes: number) => void
  unmount: () => void
}

/** Returns whether this process may mount disks, which takes root and Linux. */
export function canMountDisks(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const folder = temporaryFolder('disk')
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', folder]).status === 0
  if (isMounted) execFileSync('umount', [folder])
  return isMounted
}

const MAX_FILL_COUNT = 100

/** Mounts an empty tmpfs over a folder. */
export function mountDisk(folder: string, megabytes: number): LimitedDisk {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder])
  const remount = (size: string) => execFileSync('mount', ['-o', `remount,size=${size}`, folder])
  return {
    fill: () => {
      for (let attempt = 1; ; attempt++) {
        const { blocks, bfree, bsize } = statfsSync(folder)
        try {
          return void remount(String((blocks - bfree) * bsize))
        } catch (error) {
          // A disk that is in use may have grown since it was measured.
          if (attempt === MAX_FILL_COUNT) throw error
        }
      }
    },
    resize: size => remount(`${size}m`),
    unmount: () => execFileSync('umount', ['--lazy', folder]),
  }
}
