"""Unit tests of the chat parts."""
