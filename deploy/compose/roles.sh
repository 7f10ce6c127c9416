#!/bin/sh
# Gives each service its role and schema; run again it sets the passwords anew and changes nothing else.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --command "REVOKE ALL ON DATABASE kinbind FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
for service in otp binding review notify; do
  eval "password=\$$(printf %s "$service" | tr a-z A-Z)_PASSWORD"
  psql --quiet --set ON_ERROR_STOP=1 --set service="$service" --set password="$password" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'service') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" PASSWORD :'password';
ALTER ROLE :"service" SET search_path = :"service";
GRANT CONNECT, TEMPORARY ON DATABASE kinbind TO :"service";
SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', :'service', :'service')
  WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'service') \gexec
SQL
done
# The operator's command. Run again once the migrations are applied, so that the grants find their tables.
if [ -n "${OPERATOR_PASSWORD:-}" ]; then
  psql --quiet --set ON_ERROR_STOP=1 --set password="$OPERATOR_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE operator LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'operator') \gexec
ALTER ROLE operator PASSWORD :'password';
SELECT format('GRANT CONNECT ON DATABASE %I TO operator', current_database()) \gexec
SQL
  psql --quiet --set ON_ERROR_STOP=1 --file "$(dirname "$0")/operator.sql"
fi
