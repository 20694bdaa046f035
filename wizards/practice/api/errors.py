"""What an API server says when it refuses: `Status` documents with their HTTP codes.

Reasons and wordings are those of apimachinery's `api/errors` package, because clients
match on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wizards.practice.api.values import Json

if TYPE_CHECKING:
    from wizards.practice.api.resources import ResourceType


class ApiError(Exception):
    """A request that is answered with a failure `Status`.

    Attributes:
        code: The HTTP status.
        reason: The machine-readable reason, such as `NotFound`.
        message: The sentence for a person.
        details: The `details` object of the Status.
        metadata: The `metadata` of the Status (a continue token after 410).
        headers: HTTP headers to send along, such as Retry-After.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        metadata: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}
        self.headers = dict(headers or {})

    def status(self) -> Json:
        """The `Status` document to send."""
        document: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            document["details"] = self.details
        return {**document, "code": self.code}


def qualified(rtype: ResourceType) -> str:
    """`deployments.apps`, or only `pods` for the core group."""
    return f"{rtype.plural}.{rtype.group}" if rtype.group else rtype.plural


def _details(rtype: ResourceType, name: str, **more: object) -> Json:
    group: Json = {"group": rtype.group} if rtype.group else {}
    return {"name": name, **group, "kind": rtype.plural, **more}


def not_found(rtype: ResourceType, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f'{qualified(rtype)} "{name}" not found', details=_details(rtype, name))


def already_exists(rtype: ResourceType, name: str) -> ApiError:
    """409: the name is taken."""
    message = f'{qualified(rtype)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(rtype, name))


def conflict(rtype: ResourceType, name: str, why: str | None = None) -> ApiError:
    """409: the object has changed since the client read it."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {qualified(rtype)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(rtype, name))


def bad_request(message: str) -> ApiError:
    """400: the request makes no sense."""
    return ApiError(400, "BadRequest", message)


def forbidden(rtype: ResourceType, name: str, why: str) -> ApiError:
    """403: not this, not here."""
    shown = f'{qualified(rtype)} "{name}"' if name else qualified(rtype)
    return ApiError(403, "Forbidden", f"{shown} is forbidden: {why}", details=_details(rtype, name))


def invalid(rtype: ResourceType, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """422: the object breaks rules.

    Args:
        rtype: What kind of object it is.
        name: The object's name.
        causes: One (field, reason, message) per broken rule, such as
            `("spec.selector", "FieldValueRequired", "Required value")`.
    """
    lines = [f"{field}: {message}" for field, _, message in causes]
    text = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    details: Json = {"name": name, **({"group": rtype.group} if rtype.group else {}), "kind": rtype.kind}
    details["causes"] = [{"reason": r, "message": m, "field": f} for f, r, m in causes]
    shown = f"{rtype.kind}.{rtype.group}" if rtype.group else rtype.kind
    return ApiError(422, "Invalid", f'{shown} "{name}" is invalid: {text}', details=details)


def method_not_allowed() -> ApiError:
    """405: the resource is there, the verb is not."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """406: none of the media types that the client takes can be made."""
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return ApiError(406, "NotAcceptable", message)


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    """415: the body is in a form that this resource does not read."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(415, "UnsupportedMediaType", message)


def unauthorized() -> ApiError:
    """401: no bearer token, or a wrong one."""
    return ApiError(401, "Unauthorized", "Unauthorized", headers={"WWW-Authenticate": "Bearer"})


def expired(message: str, *, continue_token: str = "") -> ApiError:
    """410: the resourceVersion or the continue token is too old."""
    metadata: Json = {"continue": continue_token} if continue_token else {}
    return ApiError(410, "Expired", message, metadata=metadata)


def too_many_requests(retry_after: int) -> ApiError:
    """429: come back in so many seconds."""
    return ApiError(
        429,
        "TooManyRequests",
        "Too many requests, please try again later.",
        details={"retryAfterSeconds": retry_after},
        headers={"Retry-After": str(retry_after)},
    )


def internal(message: str) -> ApiError:
    """500: something broke inside."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")
