"""Who calls, where App Service's own authentication stands before the app."""

import base64
import binascii

import msgspec
from azure.functions import HttpRequest

from triggers.exchange import Declined, header

NAMES = ("preferred_username", "upn", "name", "appid", "azp")
"""Claims that name a person or an application, the first one first."""


class _Claim(msgspec.Struct):
    typ: str
    val: str


class _Principal(msgspec.Struct):
    claims: list[_Claim] = []


def signed_in(req: HttpRequest) -> str:
    """Who was let through: a person's name, or an application's id.

    The platform sets x-ms-client-principal itself and drops what a caller sends under that name. Raises Declined where
    it is not there: the request came past the authentication.
    """
    try:
        decoded = base64.b64decode(header(req, "x-ms-client-principal"), validate=True)
        principal = msgspec.json.decode(decoded, type=_Principal)
    except (binascii.Error, ValueError, RecursionError):
        raise Declined(401, "Sign in first", detail="The request came past the app's authentication.") from None
    claims = {claim.typ.rpartition("/")[2]: claim.val for claim in principal.claims}
    named = [claims[name] for name in NAMES if claims.get(name)]
    who = "".join(char for char in (named or [header(req, "x-ms-client-principal-id")])[0] if char.isprintable())
    if not who:
        raise Declined(401, "Sign in first", detail="The request does not say who was signed in.")
    return who[:200]
