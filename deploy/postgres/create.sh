#!/bin/sh
# The image of PostgreSQL runs this once, when its volume is empty. The server's role owns its database and is no
# superuser. The superuser `postgres` gets no password, so nobody becomes it over the network.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$POSTGRES_PASSWORD" --username=postgres <<'SQL'
CREATE ROLE vestibule LOGIN PASSWORD :'password';
CREATE DATABASE vestibule OWNER vestibule;
ALTER ROLE postgres PASSWORD NULL;
SQL
