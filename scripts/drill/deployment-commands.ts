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
