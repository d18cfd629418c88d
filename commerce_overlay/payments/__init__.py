"""Collecting and returning money: what a provider must guarantee, and the built-in sandbox that keeps to
it."""
