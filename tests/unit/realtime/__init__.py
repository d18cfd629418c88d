"""Unit tests of the realtime parts."""
