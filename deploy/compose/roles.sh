#!/bin/sh
# Gives each service its role and schema; run again it sets the passwords anew and changes nothing else.
# Every password may come from a file instead, named by the variable with _FILE behind it (PGPASSWORD_FILE too).
set -eu

password() {  # password VARIABLE: its value, or what stands in the file that VARIABLE_FILE names; empty where neither is set
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$value" ] && [ -n "$file" ]; then
    echo "$1 and $1_FILE are both set: one of them must go" >&2
    return 2
  fi
  if [ -n "$file" ]; then
    if ! value=$(cat "$file" 2>/dev/null); then
      echo "$1_FILE names a file that cannot be read" >&2
      return 2
    fi
    if [ -z "$value" ]; then
      echo "$1_FILE names a file that is empty" >&2
      return 2
    fi
  fi
  printf %s "$value"
}

run() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 "$@"; }

# All of them first: a role must not be left half set up. A failure in $(…) ends the script where it stands alone.
admin=$(password PGPASSWORD)
if [ -n "$admin" ]; then export PGPASSWORD="$admin"; fi
otp=$(password OTP_PASSWORD)
binding=$(password BINDING_PASSWORD)
review=$(password REVIEW_PASSWORD)
notify=$(password NOTIFY_PASSWORD)
operator=$(password OPERATOR_PASSWORD)
for service in otp binding review notify; do
  eval "password=\$$service"
  if [ -z "$password" ]; then
    echo "$(printf %s "$service" | tr a-z A-Z)_PASSWORD must be set (or …_FILE)" >&2
    exit 2
  fi
done

run <<'SQL'
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
for service in otp binding review notify; do
  eval "password=\$$service"
  # By the environment, not the command line, which everybody on the machine can read.
  KINBIND_ROLE_PASSWORD=$password run --set service="$service" <<'SQL'
\getenv password KINBIND_ROLE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'service') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" PASSWORD :'password';
ALTER ROLE :"service" SET search_path = :"service";
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), :'service') \gexec
SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', :'service', :'service')
  WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'service') \gexec
SQL
done
# The operator's command. Run again once the migrations are applied, so that the grants find their tables.
if [ -n "$operator" ]; then
  KINBIND_ROLE_PASSWORD=$operator run <<'SQL'
\getenv password KINBIND_ROLE_PASSWORD
SELECT 'CREATE ROLE operator LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'operator') \gexec
ALTER ROLE operator PASSWORD :'password';
SELECT format('GRANT CONNECT ON DATABASE %I TO operator', current_database()) \gexec
SQL
  run --file "$(dirname "$0")/operator.sql"
fi
