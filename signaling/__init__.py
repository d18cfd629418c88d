"""How browsers and encoders reach a room: the realtime gateway, presence, WHIP and WHEP."""
