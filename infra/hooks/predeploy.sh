#!/usr/bin/env sh
# Looks, before the code is published, whether that can go well: host.json must be the one for the backend that was
# deployed, and the roles of a first deployment must have taken effect. The same in PowerShell: predeploy.ps1.
set -eu

# Azure names ten minutes as the longest that a role assignment takes to have effect; most are there after one or two.
# azd publishes once, and a role that is missing then ends in a 403 (Azure/azure-dev#8026).
ROLE_SECONDS=300

host_json="$(dirname "$0")/../../host.json"
case $(cat "$host_json") in *azureManaged*) published=scheduler ;; *) published=storage ;; esac
case ${AZURE_DURABLE_TASK_SCHEDULER_NAME:-} in ?*) deployed=scheduler ;; *) deployed=storage ;; esac
if [ "$published" != "$deployed" ]; then
  echo "host.json says that the task hub is in the $published, and what was provisioned has it in the $deployed:" >&2
  echo "see useDurableTaskScheduler in docs/deploy.md, \"Parameters\"." >&2
  exit 1
fi

if ! command -v az >/dev/null || ! assigned=$(
  az role assignment list \
    --subscription "${AZURE_SUBSCRIPTION_ID:-}" \
    --scope "${AZURE_STORAGE_ACCOUNT_ID:-}" \
    --query "[?principalId=='${AZURE_IDENTITY_PRINCIPAL_ID:-}'].createdOn" \
    --output tsv
); then
  echo "Whether the app's roles have taken effect is not known: az is missing, not signed in, or may not read roles."
  echo "Where publishing ends with InaccessibleStorageException and 403, wait some minutes and run 'azd deploy' again."
  exit 0
fi

youngest=$(echo "$assigned" | sort | tail -n 1)
if [ -z "$youngest" ]; then
  exit 0
fi
moment=${youngest%%[.+Z]*} # in UTC, without fractions of a second
created=$(date -u -d "$moment" +%s 2>/dev/null || date -u -j -f %Y-%m-%dT%H:%M:%S "$moment" +%s 2>/dev/null || echo 0)
left=$((created + ROLE_SECONDS - $(date -u +%s)))
if [ "$left" -gt "$ROLE_SECONDS" ]; then
  left=$ROLE_SECONDS # this clock is behind Azure's
fi
if [ "$left" -gt 0 ]; then
  echo "The app's roles on its storage account are new: waiting $left seconds, until they have taken effect."
  sleep "$left"
fi
