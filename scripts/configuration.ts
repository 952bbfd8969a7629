import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage } from './configuration/configuration-page.ts'

/** Writes docs/configuration.md. */
writeFileSync(join(import.meta.dirname, '..', 'docs', 'configuration.md'), configurationPage())
console.log('docs/configuration.md is written.')
