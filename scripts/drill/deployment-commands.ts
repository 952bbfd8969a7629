/** Commands of docs/deployment.md, which the drill runs word for word. */
export const START_COMMANDS = [
  'docker compose up --build -d',
  'docker compose up -d --scale consumer=3',
  'docker compose run --rm operator scripts/ops.ts status',
  'docker compose --profile dashboard up -d',
]

/** Prints the API key. */
export const KEY_COMMAND =
  'docker compose run --rm operator scripts/keys.ts --create admin --scope orders:read --scope orders:write --scope inventory:read --scope inventory:write'

export const ROTATE_COMMANDS = [
  'docker compose run --rm logins scripts/logins.ts --directory /logins --mode 444 --rotate',
  'docker compose restart api dispatcher consumer',
]

export const PREPARE_COMMANDS = [
  `docker compose exec -T postgres sh -c 'echo host replication comanda all scram-sha-256 >> "$PGDATA/pg_hba.conf"'`,
  `docker compose exec -T postgres psql -U comanda -c "alter system set wal_keep_size = '1GB'" -c 'select pg_reload_conf()'`,
]

export const STANDBY_COMMANDS = [
  'docker compose up -d --no-deps standby',
  'until docker compose exec -T standby pg_isready -q -U comanda; do sleep 1; done',
  `docker compose exec -T postgres psql -U comanda -c "alter system set synchronous_standby_names = 'standby'" -c 'select pg_reload_conf()'`,
]

export const PROMOTE_COMMANDS = [
  'docker compose rm -sf postgres',
  `docker compose exec -T standby psql -U comanda -c 'select pg_promote()'`,
  'docker compose rm -sf standby',
]

export const PRIMARY_COMMAND = 'docker compose up -d --no-deps postgres'

export const UPGRADE_COMMANDS = [
  'docker compose build migrate',
  'docker compose run --rm --no-deps migrate',
  'docker compose run --rm --no-deps logins',
  'docker compose up -d --no-deps dispatcher consumer',
  'docker compose up -d --no-deps api',
  'until curl -fs -o /dev/null http://127.0.0.1:8000/readyz; do sleep 1; done',
  'docker compose up -d --no-deps api2',
  'until curl -fs -o /dev/null http://127.0.0.1:8001/readyz; do sleep 1; done',
]

export const VERIFY_COMMAND = 'docker compose run --rm operator scripts/verify.ts'

export const STOP_COMMAND = 'docker compose down'
