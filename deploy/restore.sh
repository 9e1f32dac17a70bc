#!/usr/bin/env bash
# Restore of a backup made by deploy/backup.sh into empty databases, an empty Git repository and empty S3 folders.
# Every file is checked first, nothing is overwritten, and the ledger comes last: docs/backup.md.
set -euo pipefail
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/backup_stores.sh"
folder=$(realpath "${1:?usage: deploy/restore.sh FOLDER}")
[ -e "$folder/SHA256SUMS" ] || { echo "error: $folder holds no whole backup: SHA256SUMS is written last." >&2; exit 1; }
(cd "$folder" && sha256sum --quiet --check SHA256SUMS)

tables="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
for url in "$PERENNIAL_LEDGER" "$MLFLOW_BACKEND_STORE_URI"; do
  [ "$("$on_database" "$url" psql -X -A -t -c "$tables")" = 0 ] || refuse "a database"
done
[ -z "$(git ls-remote "$PERENNIAL_DATA_REGISTRY")" ] || refuse "the data registry $PERENNIAL_DATA_REGISTRY"
for url in "$PERENNIAL_DVC_REMOTE" "$MLFLOW_ARTIFACTS_DESTINATION" "$PERENNIAL_STORE"; do
  [ -z "$(on_s3 lsf "$(address "$url")" 2>/dev/null)" ] || refuse "$url"
done

on_s3 copy "$folder/store" "$(address "$PERENNIAL_STORE")"
on_s3 copy "$folder/mlflow-artifacts" "$(address "$MLFLOW_ARTIFACTS_DESTINATION")"
on_s3 copy "$folder/dvc" "$(address "$PERENNIAL_DVC_REMOTE")"
git -C "$folder/data-registry.git" push --quiet --mirror "$PERENNIAL_DATA_REGISTRY"
"$on_database" "$MLFLOW_BACKEND_STORE_URI" sh -c 'pg_restore -1 --no-owner -d "$PGDATABASE" "$0"' "$folder/mlflow.dump"
"$on_database" "$PERENNIAL_LEDGER" sh -c 'pg_restore -1 --no-owner -d "$PGDATABASE" "$0"' "$folder/ledger.dump"
echo "Restored $(wc -l <"$folder/SHA256SUMS") files. Start MLflow, then run: perennial verify"
