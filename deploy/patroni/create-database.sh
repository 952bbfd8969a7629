#!/bin/sh
# Patroni runs this once, on the first primary: creates the database and its owner, who may create
# roles, because `migrate` and `logins` do.
set -eu
psql -v ON_ERROR_STOP=1 "$1" <<'SQL'
\getenv password POSTGRES_PASSWORD
-- A failed statement would be logged with the password.
set log_min_error_statement = panic;
create role comanda login createrole password :'password';
create database comanda owner comanda;
SQL
