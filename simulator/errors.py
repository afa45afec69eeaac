"""The service's refusals: one exception carrying a whole answer, and a function per error we know.

outages.py has those that any request may meet.

    ServiceError            status, body, headers: what the client receives

Shapes follow recordings (error_*.json, vault_get_404.json, ps2025_policy_get_404_empty_body.json). ARM's own errors say
`x-ms-failure-cause: gateway`, the resource provider's `service`. Codes whose status or text is not recorded are marked
"assumed" here and listed in the README.
"""

from simulator.wire import JsonObject


class ServiceError(Exception):
    """An answer other than the expected one. Raised anywhere below a handler, written out by the server."""

    def __init__(
        self, status: int, body: JsonObject, *, cause: str = "service", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = {"x-ms-failure-cause": cause, **(headers or {})}


def arm_error(status: int, code: str, message: str, **headers: str) -> ServiceError:
    """ARM's shape, `{"error": {code, message}}`."""
    return ServiceError(
        status,
        {"error": {"code": code, "message": message}},
        cause="gateway",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def provider_error(status: int, code: str, message: str) -> ServiceError:
    """The resource provider's long shape, with target, details and innerError (error_404_vm_no_longer_exists.json)."""
    return ServiceError(
        status,
        {"error": {"code": code, "message": message, "target": None, "details": None, "innerError": None}},
    )


def short_provider_error(status: int, code: str, message: str) -> ServiceError:
    """The resource provider's short shape (error_500_*.json)."""
    return ServiceError(status, {"error": {"code": code, "message": message}})


# ARM


def unauthenticated() -> ServiceError:
    return arm_error(
        401,
        "AuthenticationFailed",
        "Authentication failed. The 'Authorization' header is missing or invalid.",
        WWW_Authenticate=(
            'Bearer authorization_uri="https://login.microsoftonline.com/common", error="invalid_token", '
            "error_description=\"The authentication failed because of missing 'Authorization' header.\""
        ),
    )


def missing_api_version() -> ServiceError:
    return arm_error(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def no_such_route(path: str) -> ServiceError:
    return arm_error(404, "InvalidResourceType", f"The resource type could not be found for path '{path}'.")


def subscription_not_found(subscription: str) -> ServiceError:
    return arm_error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def resource_group_not_found(name: str) -> ServiceError:
    return arm_error(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def resource_not_found(resource_type: str, name: str, resource_group: str) -> ServiceError:
    """ARM does not know the resource (vault_get_404.json); `resource_type` like Microsoft.Compute/virtualMachines."""
    return arm_error(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def malformed_body() -> ServiceError:
    return arm_error(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")


# The resource provider: items


def item_not_found() -> ServiceError:
    return provider_error(
        404,
        "BMSUserErrorDataSourceObjectNotFound",
        "Item not found.\r\nSelected item might have been deleted. Please check if item is registered to the vault.",
    )


def vm_no_longer_exists() -> ServiceError:
    return provider_error(
        404,
        "ResourceNotFound",
        "Could not perform the operation as VM no longer exists. Stop protecting virtual machine without deleting "
        "backup data. More details at http://go.microsoft.com/fwlink/?LinkId=808124 ",
    )


def conflicting_protection_operation() -> ServiceError:
    """Status assumed; code and text from the Azure Files troubleshooting page."""
    return provider_error(
        409,
        "BMSUserErrorConflictingProtectionOperation",
        "Another configure protection operation is in progress for this item.",
    )


def object_locked() -> ServiceError:
    """Status assumed; code and text from the Azure Files troubleshooting page."""
    return provider_error(409, "BMSUserErrorObjectLocked", "Another operation is in progress on the selected item.")


def invalid_protection_request(reason: str) -> ServiceError:
    """The code exists; that it is the one sent for these reasons is assumed, and so are the texts."""
    return provider_error(400, "BMSUserErrorInvalidConfigureProtectionRequest", reason)


def invalid_filter() -> ServiceError:
    """Code and text as reported in azure-sdk-for-python issue 19147; that a bad $filter gets it is assumed."""
    return provider_error(
        400, "BMSUserErrorInvalidInput", "Input provided for the call is invalid\r\nPlease check the required inputs"
    )


# The resource provider: policies, jobs


def policy_not_found() -> ServiceError:
    """404 with an empty object and no error (ps2025_policy_get_404_empty_body.json)."""
    return ServiceError(404, {})


def invalid_policy() -> ServiceError:
    return provider_error(
        400,
        "BMSUserErrorInvalidPolicyInput",
        "Input for create or update policy is not in proper format\r\nPlease check format of parameters like schedule "
        "time, schedule days, retention time and retention days",
    )


def invalid_retention(reason: str) -> ServiceError:
    return provider_error(400, "BMSUserErrorPolicyRetentionInvalid", reason)


def instant_retention_exceeds_vaulted() -> ServiceError:
    return provider_error(
        400,
        "BMSUserErrorInstantRPRetentionExceedsVaultedRetention",
        "Instant restore retention must be shorter than the retention of daily recovery points in the vault.",
    )


def policy_in_use() -> ServiceError:
    return provider_error(400, "BMSUserErrorPolicyObjectInUse", "The policy is in use by protected items.")


def job_not_found() -> ServiceError:
    """Code and text assumed."""
    return provider_error(404, "BMSUserErrorJobNotFound", "The job could not be found.")


def job_not_cancellable() -> ServiceError:
    """Code and text assumed."""
    return provider_error(400, "BMSUserErrorJobNotCancellable", "The job cannot be cancelled in its present state.")


def operation_failed(code: str, message: str) -> ServiceError:
    """What operationResults of a failed operation answers; assumed."""
    return provider_error(400, code, message)


def operation_not_found() -> ServiceError:
    """Code and text assumed."""
    return provider_error(404, "BMSUserErrorOperationNotFound", "The operation could not be found.")


# The resource provider: what a vault's owner forbids


def guard_request_missing() -> ServiceError:
    """The text is known from a Terraform issue (terraform-provider-azurerm 31887); status and code assumed."""
    return provider_error(
        403,
        "UserErrorResourceGuardOperationRequestMissing",
        "ResourceGuard Operation requestid is either null or empty",
    )


def immutable_item() -> ServiceError:
    """Code and beginning of the text from azure-rest-api-specs issue 32688, its spelling included; status assumed."""
    return provider_error(
        400,
        "UserErrorOperationDeniedOnImmutableItem",
        "The Vault and Bakcup Item is in Immutable state where destructive operations are not supported.",
    )
