import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const CONFIG = '.dependency-cruiser.cjs'

interface Violation {
  from: string
  rule: { name: string }
}

interface Cruise {
  modules: { source: string; dependencies: { resolved: string }[] }[]
  summary: { violations: Violation[] }
}

/**
 * Runs dependency-cruiser on `src` and `scripts` of a project folder. The exit code is the number
 * of violations.
 */
async function cruise(folder: string): Promise<Cruise> {
  const cli = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruiser.mjs')
  const args = [cli, 'src', 'scripts', '--config', CONFIG, '--output-type', 'json']
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
  return await new Promise<Cruise>((done, fail) =>
    execFile(process.execPath, args, options, (error, stdout) => {
      if (stdout === '') fail(error ?? new Error('dependency-cruiser printed nothing'))
      else done(JSON.parse(stdout) as Cruise)
    }),
  )
}

/** One forbidden import per rule: the file that gets the import, and the imported module. */
const planted: Record<string, [file: string, imported: string]> = {
  'every-folder-has-a-layer': ['src/planted/a.ts', '../platform/ids.ts'],
  'no-circular': ['src/platform/planted-circle-2.ts', './planted-circle.ts'],
  'the-outbox-does-not-know-webhooks': ['src/outbox/planted.ts', '../webhooks/fan-out.ts'],
  'the-domain-does-not-know-http': ['src/orders/planted.ts', '../http/idempotency.ts'],
  'the-domain-does-not-know-its-routes': ['src/orders/planted-2.ts', './order-contract.ts'],
  'pure-files-do-no-io': ['src/inventory/stock.ts', '../db/transaction.ts'],
  'the-browser-imports-what-is-served': ['src/board/browser/planted.ts', 'zod'],
  'only-the-browser-imports-its-modules': ['src/processes/planted-6.ts', '../board/browser/columns.ts'],
  'src-does-not-import-tests-or-scripts': ['src/processes/planted.ts', '../../scripts/support/api.ts'],
  'scripts-do-not-import-tests': ['scripts/planted.ts', '../test/planted.ts'],
  'traces-cost-nothing-when-off': ['src/processes/planted-2.ts', '../platform/trace-sdk.ts'],
  'only-trace-sdk-imports-the-sdk': ['src/processes/planted-3.ts', '@opentelemetry/core'],
  'no-unresolvable': ['src/processes/planted-4.ts', './nowhere.ts'],
  'no-dev-dependencies-in-src': ['src/processes/planted-5.ts', 'fast-check'],
}

interface Rules {
  forbidden: { name: string }[]
}

describe('the import rules of .dependency-cruiser.cjs', () => {
  it('are followed by every module of src', async () => {
    const { modules, summary } = await cruise(ROOT)
    const ours = modules.filter(({ source }) => source.startsWith('src/'))
    expect(ours.length).to.be.above(200)
    const main = ours.find(({ source }) => source === 'src/main.ts')
    expect(main?.dependencies.map(({ resolved }) => resolved)).to.include('src/processes/all.ts')
    expect(summary.violations).to.deep.equal([])
  })

  it('each report a forbidden import that is planted in a copy of the project', async () => {
    const folder = temporaryFolder()
    try {
      for (const name of ['src', 'scripts', 'package.json', 'tsconfig.json', CONFIG])
        cpSync(join(ROOT, name), join(folder, name), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
      const plant = (file: string, imported: string) => {
        mkdirSync(dirname(join(folder, file)), { recursive: true })
        writeFileSync(join(folder, file), `import '${imported}'\n`)
      }
      const { forbidden } = createRequire(import.meta.url)(join(ROOT, CONFIG)) as Rules
      const layers = forbidden.flatMap(({ name }) => /^layers: (.*)$/.exec(name)?.[1] ?? [])
      // Every layer is below src/processes; src/processes itself must not import main.ts.
      for (const [index, layer] of layers.entries()) {
        const up = '../'.repeat(layer.split('/').length - 1)
        plant(
          `${layer}/planted-layer.ts`,
          layer === 'src/processes' ? '../main.ts' : `${up}processes/planted-target.ts`,
        )
        if (index === 0) plant('src/processes/planted-target.ts', '../platform/ids.ts')
      }
      plant('src/platform/planted-circle.ts', './planted-circle-2.ts')
      plant('test/planted.ts', 'node:fs')
      for (const [file, imported] of Object.values(planted)) plant(file, imported)

      const { summary } = await cruise(folder)
      const found = new Set(summary.violations.map(({ rule, from }) => `${rule.name} in ${from}`))
      const expected = [
        ...layers.map(layer => `layers: ${layer} in ${layer}/planted-layer.ts`),
        ...Object.entries(planted).map(([rule, [file]]) => `${rule} in ${file}`),
      ]
      expect(expected.filter(violation => !found.has(violation))).to.deep.equal([])
      const untested = forbidden.filter(({ name }) => !name.startsWith('layers: ') && !(name in planted))
      expect(untested).to.deep.equal([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
