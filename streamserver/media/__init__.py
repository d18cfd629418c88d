"""The media plane: WebRTC in, encoded packets forwarded, WebRTC out.

`engine.py` is the interface; everything else serves one of its implementations. Knows no chat, no cards, no HTTP.
"""
