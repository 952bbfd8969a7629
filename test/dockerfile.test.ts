import { readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Files of this repository that the image is made of, by its COPY lines. */
function copiedFiles(): string[] {
  const sources = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) =>
    words.split(' ').slice(0, -1),
  )
  return sources.flatMap(source =>
    statSync(join(ROOT, source)).isDirectory()
      ? readdirSync(join(ROOT, source), { recursive: true, encoding: 'utf8' }).map(file => join(source, file))
      : [source],
  )
}

describe('the image', () => {
  const files = copiedFiles()
  const code = files.filter(file => file.endsWith('.ts'))
  const imported = code.flatMap(file =>
    [...read(file).matchAll(/(?:from|import|resolve\()\s*\(?'([@.\w][^']*)'/g)].map(([, name = '']) => ({
      file,
      name,
    })),
  )

  it('has every file that its own import', () => {
    const relative = imported.filter(({ name }) => name.startsWith('.'))
    expect(relative.length).to.be.above(100)
    const missing = relative.filter(({ file, name }) => !files.includes(join(dirname(file), name)))
    expect(missing).to.deep.equal([])
  })

  it('has every package that they import, without those for development', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const packages = imported
      .map(({ name }) => name)
      .filter(name => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
      .map(name => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
    expect(packages).to.include('cli-table3').and.to.include('@pg-boss/dashboard')
    expect(packages.filter(name => !(name in dependencies))).to.deep.equal([])
  })
})
