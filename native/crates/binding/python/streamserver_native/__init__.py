"""The native media engine's threads; used by `streamserver.media.native_engine` and by nobody else."""

from streamserver_native._native import ABI, Core, __version__

__all__ = ["ABI", "Core", "__version__"]
