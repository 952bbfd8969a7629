// The folders of src in layers, lowest first. A folder imports only folders of lower layers, so that no import runs up and no
// cycle between folders is possible. `docs/architecture.md` describes them.
const layers = [
  ['platform', 'pages/browser'],
  ['board/browser', 'console/browser', 'track/browser'],
  ['db'],
  ['db/embedded', 'events', 'http', 'jobs'],
  ['http/auth', 'http/openapi', 'http/sse'],
  ['http/server', 'outbox'],
  ['orders', 'webhooks'],
  ['inventory', 'timeline', 'webhooks/delivery'],
  ['analytics', 'streams'],
  ['ops/liveness', 'ops/roles'],
  ['ops/views'],
  ['ops/invariants'],
  ['ops/actions', 'ops/maintenance'],
  ['ops'],
  ['ops/api'],
  ['pages'],
  ['processes'],
]

const inFolder = folder => `^src/${folder}/[^/]+$`

const layerRules = layers.flatMap((folders, index) =>
  folders.map(folder => ({
    name: `layers: src/${folder}`,
    comment: `src/${folder} imports only itself and ${layers.slice(0, index).flat().join(', ') || 'nothing else of src'}`,
    severity: 'error',
    from: { path: inFolder(folder) },
    to: { path: '^src/', pathNot: [folder, ...layers.slice(0, index).flat()].map(inFolder) },
  })),
)

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'every-folder-has-a-layer',
      comment: 'A new folder of src needs a place in `layers` above.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: layers.flat().map(inFolder) },
      to: {},
    },
    {
      name: 'the-browser-imports-what-is-served',
      comment: 'src/pages/browser-files.ts lists the packages. Only the page imports these modules.',
      severity: 'error',
      from: { path: '^src/([^/]+)/browser/' },
      to: { pathNot: '^src/(pages|$1)/browser/|(^|/)node_modules/(lit-html|eventsource-parser|uqr)/' },
    },
    {
      name: 'only-the-browser-imports-its-modules',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^src/[^/]+/browser/' },
      to: { path: '^src/[^/]+/browser/' },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'the-outbox-does-not-know-webhooks',
      comment: 'Their fan-out is a parameter of dispatch and publish; src/processes passes it in.',
      severity: 'error',
      from: { path: '^src/(outbox|jobs|events)/' },
      to: { path: '^src/webhooks/' },
    },
    {
      name: 'the-domain-does-not-know-http',
      comment: 'Only routes, contracts, their examples and defaults may import src/http.',
      severity: 'error',
      from: {
        path: '^src/(orders|inventory|webhooks|timeline|analytics)/',
        pathNot: '-(routes|contract|examples|route-defaults)\\.ts$',
      },
      to: { path: '^src/http/' },
    },
    {
      name: 'the-domain-does-not-know-its-routes',
      severity: 'error',
      from: {
        path: '^src/(orders|inventory|webhooks|timeline|analytics)/',
        pathNot: '(-(routes|contract|examples|route-defaults)|/present-[a-z-]+)\\.ts$',
      },
      to: {
        path: '^src/(orders|inventory|webhooks|timeline|analytics)/.*-(routes|contract|route-defaults)\\.ts$',
      },
    },
    {
      name: 'pure-files-do-no-io',
      severity: 'error',
      from: { path: '^src/(orders/(order|decide-placement)|inventory/stock|platform/money)\\.ts$' },
      to: { path: '^(src/(db|http|jobs|outbox|processes)/|node_modules/(pg|pg-boss|typeorm|koa))' },
    },
    {
      name: 'src-does-not-import-tests-or-scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'scripts-do-not-import-tests',
      severity: 'error',
      from: { path: '^scripts/' },
      to: { path: '^test/' },
    },
    {
      name: 'traces-cost-nothing-when-off',
      comment: 'Only import() may load the tracing SDK, and only through trace-sdk.ts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/platform/trace-sdk\\.ts$', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-trace-sdk-imports-the-sdk',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/platform/trace-sdk\\.ts$' },
      to: {
        path: 'node_modules/@opentelemetry/(sdk-trace|exporter-trace|context-async-hooks|core|resources)',
      },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependencies-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
