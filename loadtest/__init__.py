"""Clients from outside: publishers, viewers and shoppers that load a server and judge what they saw."""
