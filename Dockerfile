# One image for every role; the command names it: `node src/main.ts api`, `dispatcher`, `worker` or `migrate`.
# Node runs the TypeScript as it is, so the first stage only installs.

FROM node:24-bookworm-slim AS install
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
# The optional packages are a Node and a PostgreSQL of the program's own: here the base image and a database server
# take their place. No package that is left needs an install script, so none runs.
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete
COPY migrations migrations
COPY src src
# What operators run in a container: `docker compose run --rm operator scripts/ops.ts status`. The others need what is only
# for development (test/dockerfile.test.ts looks).
COPY scripts/dashboard.ts scripts/keys.ts scripts/logins.ts scripts/ops.ts scripts/redrive.ts scripts/sql.ts scripts/verify.ts scripts/
COPY scripts/ops scripts/ops
COPY scripts/support scripts/support
# A checkout under a strict umask has files that only its owner may read; `node` below is not their owner.
RUN chmod -R a+rX,go-w package.json migrations scripts src
# What Node makes of the TypeScript, made here: a process starts sooner, and with 30 MB less (src/compile-cache.js). It is
# good for one user and one set of flags; each role ends when it has loaded everything and finds no database.
ENV NODE_COMPILE_CACHE=/app/.compiled
RUN mkdir .compiled && chown node .compiled
USER node
RUN export DATABASE_URL=postgres://127.0.0.1:1/none DATABASE_WAIT_MS=0; \
    node --max-semi-space-size=8 --heap-growing-percent=30 src/main.ts api; \
    node --max-semi-space-size=16 --heap-growing-percent=40 src/main.ts dispatcher; \
    node --max-semi-space-size=16 --heap-growing-percent=40 src/main.ts worker; \
    chmod -R a+rX .compiled && test -n "$(find .compiled -type f)"

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 NODE_COMPILE_CACHE=/app/.compiled
WORKDIR /app
COPY --from=install /app/node_modules node_modules
COPY --from=install /app/package.json ./
COPY --from=install /app/migrations migrations
COPY --from=install /app/scripts scripts
COPY --from=install /app/src src
COPY --from=install /app/.compiled .compiled
# Nothing here belongs to this user, and nothing is ever written: a read-only root file system will do.
USER node
EXPOSE 8000
# Liveness, of the api role. It leaves the database out on purpose: orchestrators replace what is unhealthy, and a
# database that is away is no reason to. The other roles listen on no port: override this, as docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Exec form and no npm between: node gets SIGTERM itself and drains (src/processes/lifecycle.ts). Until that has loaded,
# half a second, a process 1 ignores signals: run it with `--init` (compose: `init: true`).
# The heap is kept small, as in package.json (docs/performance.md).
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=30", "src/main.ts", "api"]
