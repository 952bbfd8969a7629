import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Creates a folder `comanda-<purpose>-…` that every account can enter: when the tests run as root,
 * the embedded database runs as `nobody`.
 */
export function temporaryFolder(purpose = 'test'): string {
  const folder = mkdtempSync(join(tmpdir(), `comanda-${purpose}-`))
  chmodSync(folder, 0o755)
  return folder
}
