"""What the media plane refuses, in its own words; each is a StreamServerError with an HTTP status.

StreamServerError
├── BadOffer 400          ├── NothingLive 409
├── UnknownSession 404    ├── PublisherExists 409
├── NoCommonCodec 406     ├── StaleTag 412
├── TagRequired 428       ├── Full 503
├── Unsupported 501       ├── Unreachable 502
└── BadAnswer 502
"""

from __future__ import annotations

from streamserver.errors import (
    BadGateway,
    BadRequest,
    Conflict,
    NotAcceptable,
    NotFound,
    NotSupported,
    PreconditionFailed,
    PreconditionRequired,
    Unavailable,
)


class BadOffer(BadRequest):
    """Session description or fragment that cannot be read; `where` is `line N` or `the whole`."""

    default_code = "bad_sdp"

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} ({where})", where=where)
        self.what = what


class NoCommonCodec(NotAcceptable):
    """The offer is well formed, but nothing in it can be sent or received."""

    default_code = "no_common_codec"


class UnknownSession(NotFound):
    """No such media session: it never was, or it has ended."""

    default_code = "unknown_session"


class NothingLive(Conflict):
    """A viewer asked for a room without a publisher; `retry_after` says when to ask again."""

    default_code = "nothing_live"


class PublisherExists(Conflict):
    """The room has a publisher and taking over was not allowed."""

    default_code = "publisher_exists"


class StaleTag(PreconditionFailed):
    """If-Match names an ICE session that is no longer the current one."""

    default_code = "stale_tag"


class TagRequired(PreconditionRequired):
    """A PATCH without If-Match (RFC 9725 section 4.3.2)."""

    default_code = "tag_required"


class Full(Unavailable):
    """Admission refused; the detail says which bound was reached."""

    default_code = "media_full"


class Unsupported(NotSupported):
    """The engine that serves cannot do this at all; the detail says which one can."""

    default_code = "media_unsupported"


class BadAnswer(BadGateway):
    """The other server of a pull answered with a description that cannot be used; `where` as in BadOffer."""

    default_code = "bad_answer"

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} ({where})", where=where)
        self.what = what


class Unreachable(BadGateway):
    """The other server of a pull did not answer, or refused; the detail says what it said."""

    default_code = "media_unreachable"
