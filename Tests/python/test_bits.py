"""Numbers stay what they are: the bits of all outputs and gradients, at every level, for 1 and 2 threads."""

import json
from pathlib import Path

import pytest
from bits import digests_at

from seriatim import _core

FIXTURE = Path(__file__).parents[1] / "fixtures" / "bits.json"


@pytest.mark.parametrize("level", _core.levels())
def test_every_operator_gives_the_bits_it_gave(level):
    wanted = json.loads(FIXTURE.read_text())
    if level not in wanted:
        pytest.skip(f"no digests of {level} yet: python Tests/python/bits.py {' '.join([*wanted, level])}")
    given = digests_at(level)
    changed = [name for name, bits in wanted[level].items() if given.get(name) != bits]
    assert not changed, f"{len(changed)} of {len(wanted[level])} changed: {changed[:20]}"
    assert not set(given) - set(wanted[level]), "new cases have no digests: run Tests/python/bits.py"
