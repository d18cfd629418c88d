"""Every error the server tells a client about, with its HTTP status.

StreamServerError
├── BadRequest 400            ├── Gone 410                   ├── Unprocessable 422
├── Unauthorized 401          ├── PreconditionFailed 412     ├── PreconditionRequired 428
├── Forbidden 403             ├── TooLarge 413               ├── TooMany 429
├── NotFound 404              ├── UnsupportedType 415        └── Unavailable 503
├── NotAcceptable 406         ├── RequestTimeout 408         ├── Conflict 409
├── NotSupported 501          └── BadGateway 502

Raising one means that nothing was changed. Pure: knows no web library.
"""

from __future__ import annotations

from typing import ClassVar


class StreamServerError(Exception):
    """`code` is stable and names a message in the page's catalogue, `detail` is English for developers,
    `where` names the field, row or line, `retry_after` is seconds."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        where: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.where = where
        self.retry_after = retry_after


class BadRequest(StreamServerError):
    status = 400
    default_code = "bad_request"


class Unauthorized(StreamServerError):
    status = 401
    default_code = "sign_in_first"


class Forbidden(StreamServerError):
    status = 403
    default_code = "forbidden"


class NotFound(StreamServerError):
    status = 404
    default_code = "not_found"


class NotAcceptable(StreamServerError):
    status = 406
    default_code = "not_acceptable"


class RequestTimeout(StreamServerError):
    status = 408
    default_code = "request_timeout"


class Conflict(StreamServerError):
    status = 409
    default_code = "conflict"


class Gone(StreamServerError):
    status = 410
    default_code = "gone"


class PreconditionFailed(StreamServerError):
    status = 412
    default_code = "precondition_failed"


class TooLarge(StreamServerError):
    status = 413
    default_code = "too_large"


class UnsupportedType(StreamServerError):
    status = 415
    default_code = "unsupported_type"


class Unprocessable(StreamServerError):
    status = 422
    default_code = "unprocessable"


class PreconditionRequired(StreamServerError):
    status = 428
    default_code = "precondition_required"


class TooMany(StreamServerError):
    status = 429
    default_code = "too_many"


class NotSupported(StreamServerError):
    status = 501
    default_code = "not_supported"


class BadGateway(StreamServerError):
    status = 502
    default_code = "bad_gateway"


class Unavailable(StreamServerError):
    status = 503
    default_code = "unavailable"
