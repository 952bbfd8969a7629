import { readdirSync, readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { stripTypes } from './strip-types.ts'

/** A file that the page loads. */
export interface BrowserFile {
  /** path below the folder of the assets, e.g. `board/browser/main.ts` */
  path: string
  /** as for Koa's `ctx.type` */
  type: 'js' | 'css' | 'svg' | 'md'
  content: string
}

const sources = join(import.meta.dirname, '..')

/** The modules of packages that the pages import, directly or indirectly, by package. */
const packageModules = {
  'lit-html': [
    'lit-html.js',
    'directive.js',
    'directive-helpers.js',
    'directives/guard.js',
    'directives/repeat.js',
  ],
  'eventsource-parser': ['dist/index.js', 'dist/parse.js', 'dist/errors.js'],
  uqr: ['dist/index.mjs'],
} as const

/** The import map of the page: what the names of packages mean, relative to the page. */
export function importsOf(assetsPath: string): Record<string, string> {
  return {
    'lit-html': `./${assetsPath}/lit-html/lit-html.js`,
    'lit-html/': `./${assetsPath}/lit-html/`,
    'eventsource-parser': `./${assetsPath}/eventsource-parser/dist/index.js`,
    uqr: `./${assetsPath}/uqr/dist/index.mjs`,
  }
}

/**
 * Reads every file that a page loads, of these folders of `src`, whose modules are served as
 * JavaScript, and the modules of the packages that they import.
 */
export async function readBrowserFiles(folders: readonly string[]): Promise<BrowserFile[]> {
  const names = folders.flatMap(folder =>
    readdirSync(join(sources, folder))
      .toSorted()
      .map(name => `${folder}/${name}`),
  )
  const modules = names.filter(name => name.endsWith('.ts'))
  const scripts = await stripTypes(modules.map(name => join(sources, name)))
  return [
    ...modules.map((path, index) => ({ path, type: 'js' as const, content: scripts[index] ?? '' })),
    ...(['css', 'svg'] as const).flatMap(type =>
      names
        .filter(name => name.endsWith(`.${type}`))
        .map(path => ({ path, type, content: read(join(sources, path)) })),
    ),
    ...Object.entries(packageModules)
      .filter(([name]) => scripts.some(script => script.includes(`from '${name}`)))
      .flatMap(([name, files]) =>
        files.map(file => ({
          path: `${name}/${file}`,
          type: 'js' as const,
          content: withoutSourceMap(read(join(packageFolder(name), file))),
        })),
      ),
  ]
}

/** Reads a file of the folder `docs`. */
export function readDocument(name: string): BrowserFile {
  return { path: name, type: 'md', content: read(join(sources, '..', 'docs', name)) }
}

function packageFolder(name: string): string {
  return dirname(findPackageJSON(name, import.meta.url) ?? '')
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

/** The maps of packages are not served. */
function withoutSourceMap(script: string): string {
  return script.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
}
