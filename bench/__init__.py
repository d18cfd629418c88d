"""What the project claims about its speed, each by one command: `python -m bench NAME [--json]`.

A bench is a module here with a `main()`; it prints the machine's facts beside its figures. It measures
through public interfaces only, and nothing imports it.
"""
