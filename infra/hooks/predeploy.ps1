# Looks, before the code is published, whether that can go well: host.json must be the one for the backend that was
# deployed, and the roles of a first deployment must have taken effect. The same for sh: predeploy.sh.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # az's exit code is looked at below

# Azure names ten minutes as the longest that a role assignment takes to have effect; most are there after one or two.
# azd publishes once, and a role that is missing then ends in a 403 (Azure/azure-dev#8026).
$roleSeconds = 300

$hostJson = Get-Content -Raw (Join-Path $PSScriptRoot '..' '..' 'host.json')
$published = if ($hostJson -match 'azureManaged') { 'scheduler' } else { 'storage' }
$deployed = if ($env:AZURE_DURABLE_TASK_SCHEDULER_NAME) { 'scheduler' } else { 'storage' }
if ($published -ne $deployed) {
    Write-Host "host.json says that the task hub is in the $published, and what was provisioned has it in the ${deployed}:"
    Write-Host 'see useDurableTaskScheduler in docs/deploy.md, "Parameters".'
    exit 1
}

# No parentheses in the query: az.cmd would take them for its own.
$known = $false
if (Get-Command az -ErrorAction SilentlyContinue) {
    $assigned = az role assignment list `
        --subscription $env:AZURE_SUBSCRIPTION_ID `
        --scope $env:AZURE_STORAGE_ACCOUNT_ID `
        --query "[?principalId=='$env:AZURE_IDENTITY_PRINCIPAL_ID'].createdOn" `
        --output tsv
    if ($LASTEXITCODE -eq 0) { $known = $true }
}
if (-not $known) {
    Write-Host "Whether the app's roles have taken effect is not known: az is missing, not signed in, or may not read roles."
    Write-Host "Where publishing ends with InaccessibleStorageException and 403, wait some minutes and run 'azd deploy' again."
    exit 0
}

$youngest = $assigned | Sort-Object | Select-Object -Last 1
if (-not $youngest) { exit 0 }
$created = [DateTimeOffset]::Parse($youngest, [cultureinfo]::InvariantCulture)
$left = $roleSeconds - [int]([DateTimeOffset]::UtcNow - $created).TotalSeconds
if ($left -gt $roleSeconds) { $left = $roleSeconds } # this clock is behind Azure's
if ($left -gt 0) {
    Write-Host "The app's roles on its storage account are new: waiting $left seconds, until they have taken effect."
    Start-Sleep -Seconds $left
}
exit 0
