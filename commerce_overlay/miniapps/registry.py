"""The mini-apps this server ships, with their manifests (W3C MiniApp Manifest members).
Pure: it knows names and pages; opening, sandboxing and the bridge are the host page's part."""

from __future__ import annotations

from collections.abc import Mapping

from streamserver.wire_shapes import AppIcon, AppManifest

SHOP = AppManifest(
    app_id="shop",
    name="Shop",
    short_name="Shop",
    description="Look at a product, order it and pay without leaving the show.",
    version="1.0.0",
    icons=[AppIcon(src="/favicon.svg", sizes="any")],
    pages=["product", "order"],
    req_permissions=[],
)

APPS: Mapping[str, AppManifest] = {app.app_id: app for app in (SHOP,)}


def has_page(app_id: str, page: str) -> bool:
    """Whether a link may open this page."""
    app = APPS.get(app_id)
    return app is not None and page in app.pages
