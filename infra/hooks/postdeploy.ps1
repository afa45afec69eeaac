# Subscribes the deployed app to the events of the subscription's system topic. azd runs this after the code is there;
# a second run changes nothing. The same for sh: postdeploy.sh.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # az's exit code is looked at below

if (-not $env:AZURE_SYSTEM_TOPIC_NAME) {
    Write-Host 'Vault events are off (vaultEvents): no event subscription is made. To delete one: docs/deploy.md, "Events".'
    exit 0
}

foreach ($name in 'AZURE_SUBSCRIPTION_ID', 'AZURE_SYSTEM_TOPIC_RESOURCE_GROUP', 'AZURE_FUNCTION_APP_ID') {
    if (-not [Environment]::GetEnvironmentVariable($name)) {
        Write-Host "$name is not set. azd provision sets it; by hand, take it from the outputs of the deployment."
        exit 1
    }
}
if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
    Write-Host "The Azure CLI (az) is missing: install it, sign in with 'az login', and run 'azd hooks run postdeploy'."
    exit 1
}
az account show --subscription $env:AZURE_SUBSCRIPTION_ID --output none
if ($LASTEXITCODE -ne 0) {
    Write-Host "The Azure CLI does not know the subscription $env:AZURE_SUBSCRIPTION_ID; its sign-in is not azd's."
    Write-Host "Sign in with 'az login', and run 'azd hooks run postdeploy'."
    exit 1
}

# A function that was published a moment ago may not be known to Azure Resource Manager yet.
$template = Join-Path $PSScriptRoot '..' 'event-subscription.bicep'
for ($attempts = 4; $attempts -ge 0; $attempts--) {
    az deployment group create `
        --subscription $env:AZURE_SUBSCRIPTION_ID `
        --resource-group $env:AZURE_SYSTEM_TOPIC_RESOURCE_GROUP `
        --name "vault-writes-$(($env:AZURE_FUNCTION_APP_ID -split '/')[-1])" `
        --template-file $template `
        --parameters `
            "topicName=$env:AZURE_SYSTEM_TOPIC_NAME" `
            "functionAppId=$env:AZURE_FUNCTION_APP_ID" `
            "deadLetterStorageId=$env:AZURE_DEAD_LETTER_STORAGE_ID" `
        --output none
    if ($LASTEXITCODE -eq 0) {
        Write-Host "Vault events of $env:AZURE_SYSTEM_TOPIC_NAME reach the app."
        exit 0
    }
    if ($attempts -gt 0) {
        Write-Host "Trying again in 30 seconds; $attempts attempts are left."
        Start-Sleep -Seconds 30
    }
}
Write-Host "The event subscription was not made. When the error above is mended: 'azd hooks run postdeploy'."
exit 1
