"""What a brand may say of a room, checked. Pure."""

from __future__ import annotations

import re

import msgspec

from . import errors

# Only our own re-encoded images: another site's picture would tell that site who looks.
_POSTER = re.compile(r"/images/[0-9A-Za-z_-]{1,64}\.webp")


class RoomInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields a brand may set; UNSET ones stay as they are."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    poster: str | msgspec.UnsetType | None = msgspec.UNSET
    starts_ms: int | msgspec.UnsetType | None = msgspec.UNSET
    currency: str | msgspec.UnsetType = msgspec.UNSET
    listed: bool | msgspec.UnsetType = msgspec.UNSET
    test: bool | msgspec.UnsetType = msgspec.UNSET

    def checked(self) -> dict[str, object]:
        """The set fields, cleaned. Raises BadRequest naming the field."""
        out: dict[str, object] = {
            k: v for k, v in msgspec.structs.asdict(self).items() if v is not msgspec.UNSET
        }
        for name, most in (("title", 120), ("description", 5000)):
            if name in out:
                text = " ".join(str(out[name]).split()) if name == "title" else str(out[name]).strip()
                if len(text) > most or (name == "title" and not text):
                    raise errors.BadRequest(
                        f"{name} needs 1 to {most} characters"
                        if name == "title"
                        else f"at most {most} characters",
                        code="bad_field",
                        where=name,
                    )
                out[name] = text
        poster = out.get("poster")
        if isinstance(poster, str) and not _POSTER.fullmatch(poster):
            raise errors.BadRequest(
                "poster is the address of an uploaded image, /images/….webp", code="bad_field", where="poster"
            )
        starts = out.get("starts_ms")
        if isinstance(starts, int) and not 0 < starts < 4_102_444_800_000:
            raise errors.BadRequest(
                "starts_ms is not a time between 1970 and 2100", code="bad_field", where="starts_ms"
            )
        currency = out.get("currency")
        if currency is not None and not (
            isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()
        ):
            raise errors.BadRequest("currency is an ISO 4217 code", code="bad_field", where="currency")
        return out
