import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder that every account can enter: run by root, the embedded database runs as `nobody`. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'comanda-test-'))
  chmodSync(folder, 0o755)
  return folder
}
