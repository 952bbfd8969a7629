# One image for all roles. The command chooses the role: `node src/main.ts api`, `dispatcher`, `worker`
# or `migrate`. Node runs TypeScript directly, so the first stage only installs packages.

FROM node:24-bookworm-slim AS install
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
# The optional packages contain Node and PostgreSQL. The base image and a database server replace them.
# No other package needs an install script, so install scripts are disabled.
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete
COPY migrations migrations
COPY src src
# The console shows its runbook.
COPY docs/operations.md docs/
# Scripts for operators: `docker compose run --rm operator scripts/ops.ts status`. Other scripts need
# development packages, which test/dockerfile.test.ts checks.
COPY scripts/dashboard.ts scripts/keys.ts scripts/logins.ts scripts/ops.ts scripts/redrive.ts scripts/sql.ts scripts/verify.ts scripts/
COPY scripts/ops scripts/ops
COPY scripts/support scripts/support
# With a strict umask, only the owner could read the files. The user `node` below is not the owner.
RUN chmod -R a+rX,go-w package.json migrations scripts src docs
# Fills the compile cache, with which a process starts faster and uses 30 MB less (src/compile-cache.js).
# The cache is valid for one user and one set of flags. Each role exits when it has loaded all modules
# and finds no database.
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
COPY --from=install /app/docs docs
COPY --from=install /app/.compiled .compiled
# This user owns no file and writes none, so the root file system can be read-only.
USER node
EXPOSE 8000
# Liveness of a role, on the port of the API or on STATUS_PORT. It does not query the database:
# orchestrators replace unhealthy containers, which would not help while the database is down. It uses
# bash, because a start of Node every 10 s per container would use up to 1 % of a core each.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${STATUS_PORT:-${PORT:-8000}} && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 4 _ status _ <&3 && [ \"$status\" = 200 ]"]
# Exec form without npm, so that node receives SIGTERM and drains (src/processes/lifecycle.ts). In the
# first half second, before that module is loaded, node as process 1 ignores signals: run the container
# with `--init` (compose: `init: true`). The flags limit the heap, as in package.json
# (docs/performance-notes.md).
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=30", "src/main.ts", "api"]
