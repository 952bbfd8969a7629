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

/** Mounts an empty tmpfs over a folder. */
export function mountDisk(folder: string, megabytes: number): LimitedDisk {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder])
  const remount = (size: string) => execFileSync('mount', ['-o', `remount,size=${size}`, folder])
  return {
    fill: () => {
      const { blocks, bfree, bsize } = statfsSync(folder)
      remount(String((blocks - bfree) * bsize))
    },
    resize: size => remount(`${size}m`),
    unmount: () => execFileSync('umount', ['--lazy', folder]),
  }
}
