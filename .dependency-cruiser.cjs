// Import directions of the layout: processes → features → http | jobs | outbox → db → platform.
const features = 'orders|inventory|downstream|analytics|ops'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'platform-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/platform/' },
      to: { path: '^src/', pathNot: '^src/platform/' },
    },
    {
      name: 'db-imports-platform-only',
      severity: 'error',
      from: { path: '^src/db/' },
      to: { path: '^src/', pathNot: '^src/(db|platform)/' },
    },
    {
      name: 'http-is-below-features',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: '^src/', pathNot: '^src/(http|db|platform)/' },
    },
    {
      name: 'jobs-are-below-the-outbox',
      severity: 'error',
      from: { path: '^src/jobs/' },
      to: { path: '^src/', pathNot: '^src/(jobs|db|platform)/' },
    },
    {
      name: 'outbox-is-below-features',
      severity: 'error',
      from: { path: '^src/outbox/' },
      to: { path: '^src/', pathNot: '^src/(outbox|jobs|db|platform)/' },
    },
    {
      name: 'features-do-not-import-processes',
      severity: 'error',
      from: { path: `^src/(${features})/` },
      to: { path: '^src/(processes/|main)' },
    },
    {
      name: 'pure-files-do-no-io',
      severity: 'error',
      from: { path: '^src/(orders/order|inventory/stock|platform/money)\\.ts$' },
      to: { path: '^(src/(db|http|jobs|outbox|processes)/|node_modules/(pg|pg-boss|typeorm|koa))' },
    },
    {
      name: 'src-does-not-import-tests-or-scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'traces-cost-nothing-when-off',
      comment: 'only import() may load the tracing SDK, and only through trace-sdk.ts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/platform/trace-sdk\\.ts$', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'trace-sdk-alone-has-the-sdk',
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
