#!/usr/bin/env sh
# Stops `azd down`, always: it deletes every resource group that the deployment names a resource of, also those of the
# vaults, Resource Guards and system topics that were there before. The same in PowerShell: predown.ps1.
group=${AZURE_RESOURCE_GROUP:-rg-${AZURE_ENV_NAME:-}}
cat >&2 <<END
azd down is not for this deployment: it would delete the resource groups of your vaults too.
Delete the app's own resource group, and nothing else:

  az group delete --name $group

What lies outside of it: docs/operations.md, "Uninstalling".
END
exit 1
