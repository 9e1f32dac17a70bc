#!/usr/bin/env bash
# Backup of a production stack (PostgreSQL, Git, S3) into a new folder, while the loop goes on: docs/backup.md.
# Whatever names something is copied before what it names; nobody can write to the ledger while the databases are dumped.
set -euo pipefail
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/backup_stores.sh"
export folder=${1:?usage: deploy/backup.sh FOLDER}
mkdir -m 700 "$folder"
folder=$(realpath "$folder")

# The number is the one with which the ledger's writers take turns (include/perennial/stores/ledger/database.py).
"$on_database" "$PERENNIAL_LEDGER" psql -X -q -o /dev/null -v ON_ERROR_STOP=1 <<'SQL'
BEGIN;
SELECT pg_advisory_xact_lock(5207391116);
\! "$on_database" "$PERENNIAL_LEDGER" pg_dump -Fc -f "$folder/ledger.dump" && touch "$folder/ledger.done"
\! "$on_database" "$MLFLOW_BACKEND_STORE_URI" pg_dump -Fc -f "$folder/mlflow.dump" && touch "$folder/mlflow.done"
COMMIT;
SQL
rm "$folder/ledger.done" "$folder/mlflow.done" # not there if a dump has failed, which psql does not tell

git clone --quiet --mirror "$PERENNIAL_DATA_REGISTRY" "$folder/data-registry.git"
on_s3 copy "$(address "$PERENNIAL_DVC_REMOTE")" "$folder/dvc"
on_s3 copy "$(address "$MLFLOW_ARTIFACTS_DESTINATION")" "$folder/mlflow-artifacts"
on_s3 copy "$(address "$PERENNIAL_STORE")" "$folder/store"

cd "$folder"
find . -type f ! -name SHA256SUMS ! -name .sums -print0 | sort -z | xargs -0 sha256sum >.sums && mv .sums SHA256SUMS
echo "Saved $(wc -l <SHA256SUMS) files, $(du -sh . | cut -f1), in $folder."
