"""The platform: rooms, media, bus, store, HTTP. Features build on it; it knows none of them."""
