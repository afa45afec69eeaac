// A migration in the words of the JavaScript SDK: read the vault, change one VM's policy, follow its operation and job.
// Arguments: ARM's address, subscription, resource group, vault, VM, policy. Prints one JSON document.

import { setTimeout as pause } from "node:timers/promises";
import { RecoveryServicesClient } from "@azure/arm-recoveryservices";
import { RecoveryServicesBackupClient } from "@azure/arm-recoveryservicesbackup";
import { ManagedIdentityCredential } from "@azure/identity";

const [arm, subscription, group, vault, vm, policyName] = process.argv.slice(2);
const FABRIC = "Azure";
const OF_VMS = { filter: "backupManagementType eq 'AzureIaasVM'" };

const credential = new ManagedIdentityCredential();
const recovery = new RecoveryServicesClient(credential, subscription, { endpoint: arm });
const backup = new RecoveryServicesBackupClient(credential, subscription, { endpoint: arm });

const vaults = await everything(recovery.vaults.listBySubscriptionId());
const items = await everything(backup.backupProtectedItems.list(vault, group, OF_VMS));
const policy = await backup.protectionPolicies.get(vault, group, policyName);

const item = items.find((each) => each.properties.friendlyName === vm);
const names = [vault, group, FABRIC, item.id.split("/").at(-3), item.name];
const change = {
  properties: {
    protectedItemType: item.properties.protectedItemType,
    sourceResourceId: item.properties.sourceResourceId,
    policyId: policy.id,
  },
};
let accepted;
await backup.protectedItems.createOrUpdate(...names, change, { onResponse: (answer) => (accepted = answer) });

const operationId = new URL(accepted.headers.get("azure-asyncoperation")).pathname.split("/").at(-1);
let operation = await backup.protectedItemOperationStatuses.get(...names, operationId);
const states = [operation.status];
while (operation.status === "InProgress") {
  await pause(200);
  operation = await backup.protectedItemOperationStatuses.get(...names, operationId);
  states.push(operation.status);
}

const job = await backup.jobDetails.get(vault, group, operation.properties.jobId);
const jobs = await everything(backup.backupJobs.list(vault, group, { filter: "operation eq 'ConfigureBackup'" }));
const migrated = await backup.protectedItems.get(...names);

console.log(
  JSON.stringify({
    vaults: vaults.map((each) => each.name),
    vms: items.map((each) => each.properties.friendlyName),
    policyType: policy.properties.policyType,
    accepted: accepted.status,
    states,
    job: job.properties,
    jobs: jobs.map((each) => each.name),
    policyAfter: migrated.properties.policyName,
  }),
);

async function everything(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}
