#!/bin/bash
# Runs PostgreSQL as the standby in docker-compose.yml, with the given arguments. Replaces a data
# folder that does not belong to a standby, e.g. that of an old primary, by a base backup of the
# primary.
set -euo pipefail

if [ ! -e "$PGDATA/standby.signal" ]; then
  # The same session must start and stop the backup. If the primary does not answer, the script ends
  # here, before it deletes anything.
  coproc PRIMARY { psql -qAt -v ON_ERROR_STOP=1 -h postgres -U "$POSTGRES_USER" "$POSTGRES_DB"; }
  echo "select pg_backup_start('standby', true);" >&"${PRIMARY[1]}"
  read -r _ <&"${PRIMARY[0]}"

  rm -rf "$PGDATA"
  mkdir -p "$PGDATA"
  # tar ends with 1 when a file changes or vanishes meanwhile; replaying the WAL repairs that.
  primary=/primary/${PGDATA#/var/lib/postgresql/}
  { tar -C "$primary" -c --exclude=./postmaster.pid --exclude=./standby.signal . || [ $? = 1 ]; } |
    tar -C "$PGDATA" -x

  # As one line, so that `read` returns all of it.
  one_line="translate(encode(labelfile::bytea, 'base64'), E'\n', '')"
  echo "select $one_line from pg_backup_stop();" >&"${PRIMARY[1]}"
  read -r label <&"${PRIMARY[0]}"
  echo '\q' >&"${PRIMARY[1]}"
  wait
  base64 -d <<<"$label" >"$PGDATA/backup_label"

  # After its promotion, this server commits without a standby until an operator sets one.
  settings=$PGDATA/postgresql.auto.conf
  sed -i '/^synchronous_standby_names\|^primary_conninfo/d' "$settings"
  echo "primary_conninfo = 'host=postgres user=$POSTGRES_USER application_name=standby'" >>"$settings"
  touch "$PGDATA/standby.signal"
fi

exec docker-entrypoint.sh postgres "$@"
