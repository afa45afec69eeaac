"""Throttles, outages and missing permissions: errors that say nothing about the request itself.

Each is the text of the recording named with it.
"""

from datetime import datetime

from simulator.errors import ServiceError, arm_error, provider_error, short_provider_error
from simulator.principals import PRINCIPAL_ID, TENANT_ID


def too_many_requests(action: str, limit: int, seconds: int) -> ServiceError:
    """error_429_resource_requests_throttled_job_read.json; Retry-After is documented, the recorder had removed it."""
    return arm_error(
        429,
        "ResourceRequestsThrottled",
        f"Number of requests for action '{action}' exceeded the limit of '{limit}' for time interval '01:00:00'. "
        f"Please try again after '{seconds}' seconds.",
        Retry_After=str(seconds),
    )


def day_limit_reached() -> ServiceError:
    """error_400_CloudDosAbsoluteLimitReached.json"""
    return provider_error(
        400,
        "CloudDosAbsoluteLimitReached",
        "Operation is blocked as you have reached the limit on number of operations permitted in 24 hours.\r\n"
        "Contact Microsoft support or retry after 24 hours.",
    )


_RETRY_LATER = (
    "Wait for a few minutes and then try the operation again. If the issue persists, please contact Microsoft support."
)


def rest_api_internal_error() -> ServiceError:
    """error_500_RestApiInternalError_*.json"""
    return short_provider_error(
        500, "RestApiInternalError", f"The REST API call encountered an internal error. {_RETRY_LATER}"
    )


def cloud_internal_error() -> ServiceError:
    """error_500_CloudInternalError.json"""
    return short_provider_error(
        500, "CloudInternalError", f"Microsoft Azure Backup encountered an internal error. {_RETRY_LATER}"
    )


def nameless_storage_error() -> ServiceError:
    """error_500_CloudStorageUnexpectedError_empty_message.json"""
    return short_provider_error(500, "CloudStorageUnexpectedError", "")


def legacy_cloud_internal_error() -> ServiceError:
    """The old shape, with ErrorCode and Message (error_500_legacy_ErrorCode_Message_shape.json)."""
    message = f"Microsoft Azure Backup encountered an internal error. {_RETRY_LATER}"
    return ServiceError(
        500,
        {"ErrorCode": "CloudInternalError", "Message": {"Language": "en-US", "Value": message}, "Values": []},
    )


def invalid_gateway_host() -> ServiceError:
    """error_502_InvalidGatewayHost.json"""
    return short_provider_error(
        502,
        "InvalidGatewayHost",
        "Host name resolution failed for 'Microsoft.RecoveryServices'; cannot fulfill the request.",
    )


def gateway_timeout() -> ServiceError:
    """error_504_GatewayTimeout_*.json"""
    return short_provider_error(
        504,
        "GatewayTimeout",
        "The gateway did not receive a response from 'Microsoft.RecoveryServices' within the specified time period.",
    )


def arm_internal_error(now: datetime) -> ServiceError:
    """error_500_InternalServerError_arm.json"""
    return arm_error(500, "InternalServerError", f"Encountered internal server error. {_diagnostic(now)}")


def server_timeout(now: datetime) -> ServiceError:
    """error_503_ServerTimeout_arm.json"""
    return arm_error(503, "ServerTimeout", f"The request timed out. {_diagnostic(now)}")


def authorization_failed(action: str, scope: str) -> ServiceError:
    """Not recorded; ARM's well-known text."""
    return arm_error(
        403,
        "AuthorizationFailed",
        f"The client '{PRINCIPAL_ID}' with object id '{PRINCIPAL_ID}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials.",
    )


def linked_authorization_failed(scope: str) -> ServiceError:
    """error_403_LinkedAuthorizationFailed.json: a Resource Guard in another tenant."""
    return arm_error(
        403,
        "LinkedAuthorizationFailed",
        "The client has permission to perform action 'Microsoft.DataProtection/resourceGuards/read' on scope "
        f"'{scope}', however the current tenant '{TENANT_ID}' is not authorized to access linked subscription "
        "'11ed0000-0000-4000-8000-000000000001'.",
    )


def _diagnostic(now: datetime) -> str:
    tracking = "74ac0000-0000-4000-8000-000000000001"
    return (
        f"Diagnostic information: timestamp '{now:%Y%m%dT%H%M%SZ}', tracking id '{tracking}', "
        f"request correlation id '{tracking}'."
    )
