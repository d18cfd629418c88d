"""The far host that faults of the network are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.netns import Host, far_host, why_not


@pytest.fixture
def host() -> Iterator[Host]:
    problem = why_not()
    if problem is not None:
        pytest.skip(problem)
    with far_host() as made:
        yield made
