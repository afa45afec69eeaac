#!/usr/bin/env sh
# Subscribes the deployed app to the events of the subscription's system topic. azd runs this after the code is there;
# a second run changes nothing. The same in PowerShell: postdeploy.ps1.
set -eu

if [ -z "${AZURE_SYSTEM_TOPIC_NAME:-}" ]; then
  echo "Vault events are off (vaultEvents): no event subscription is made. To delete one: docs/deploy.md, \"Events\"."
  exit 0
fi

for name in AZURE_SUBSCRIPTION_ID AZURE_SYSTEM_TOPIC_RESOURCE_GROUP AZURE_FUNCTION_APP_ID; do
  eval "value=\${$name:-}"
  if [ -z "$value" ]; then
    echo "$name is not set. azd provision sets it; by hand, take it from the outputs of the deployment." >&2
    exit 1
  fi
done
if ! command -v az >/dev/null; then
  echo "The Azure CLI (az) is missing: install it, sign in with 'az login', and run 'azd hooks run postdeploy'." >&2
  exit 1
fi
az account show --subscription "$AZURE_SUBSCRIPTION_ID" --output none || {
  echo "The Azure CLI does not know the subscription $AZURE_SUBSCRIPTION_ID; its sign-in is not azd's." >&2
  echo "Sign in with 'az login', and run 'azd hooks run postdeploy'." >&2
  exit 1
}

# A function that was published a moment ago may not be known to Azure Resource Manager yet.
attempts=5
while ! az deployment group create \
  --subscription "$AZURE_SUBSCRIPTION_ID" \
  --resource-group "$AZURE_SYSTEM_TOPIC_RESOURCE_GROUP" \
  --name "vault-writes-${AZURE_FUNCTION_APP_ID##*/}" \
  --template-file "$(dirname "$0")/../event-subscription.bicep" \
  --parameters \
    topicName="$AZURE_SYSTEM_TOPIC_NAME" \
    functionAppId="$AZURE_FUNCTION_APP_ID" \
    deadLetterStorageId="${AZURE_DEAD_LETTER_STORAGE_ID:-}" \
  --output none; do
  attempts=$((attempts - 1))
  if [ "$attempts" -eq 0 ]; then
    echo "The event subscription was not made. When the error above is mended: 'azd hooks run postdeploy'." >&2
    exit 1
  fi
  echo "Trying again in 30 seconds; $attempts attempts are left."
  sleep 30
done
echo "Vault events of $AZURE_SYSTEM_TOPIC_NAME reach the app."
