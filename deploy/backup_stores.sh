# How backup.sh and restore.sh speak to PostgreSQL and S3; sourced by both.
# The same variables as the stack's: PERENNIAL_*, AWS_*, and MLflow's own for its server.
: "${PERENNIAL_LEDGER:?}" "${PERENNIAL_DATA_REGISTRY:?}" "${PERENNIAL_DVC_REMOTE:?}" "${PERENNIAL_STORE:?}"
: "${MLFLOW_BACKEND_STORE_URI:?the database of the MLflow server}"
: "${MLFLOW_ARTIFACTS_DESTINATION:?where the MLflow server keeps its artifacts}"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
export python=${PYTHON:-$here/../.venv/bin/python} on_database=$here/on_database.sh

# Runs rclone; an address s3://bucket/prefix is rclone's :s3:bucket/prefix.
on_s3() {
  RCLONE_CONFIG=/dev/null RCLONE_S3_PROVIDER=Other RCLONE_S3_ENV_AUTH=true \
    RCLONE_S3_ENDPOINT=${AWS_ENDPOINT_URL:-} RCLONE_S3_REGION=${AWS_DEFAULT_REGION:-} rclone --immutable -q "$@"
}
address() { case $1 in s3://*) echo ":s3:${1#s3://}" ;; *) echo "$1" ;; esac; }
refuse() { echo "error: there is something already in $1; nothing is ever overwritten." >&2; exit 1; }

# Git asks this for the data registry's password, if it has one.
if [ -n "${PERENNIAL_DATA_REGISTRY_PASSWORD:-}" ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="credential.$PERENNIAL_DATA_REGISTRY.helper"
  # shellcheck disable=SC2016 # read by the shell that Git starts
  export GIT_CONFIG_VALUE_0='!f() { test "$1" != get || printf "password=%s\n" "$PERENNIAL_DATA_REGISTRY_PASSWORD"; }; f'
fi
