"""A simulated venue in a process of its own takes faults, events and whole rows of the fault table."""

from __future__ import annotations

from urllib.error import HTTPError

import pytest

from holdfast.testing import local_venue


def test_rows_of_the_fault_table_happen_at_a_venue_of_another_process() -> None:
    with local_venue(seed=3) as venue:
        drawn = venue.act_out("V5", seed=2)
        again = venue.act_out("W5", seed=9)
        venue.heal()
        venue.happen(kind="deposit", asset="USD", amount="5")
        truth = venue.truth()
        with pytest.raises(HTTPError, match="400"):
            venue.act_out("Z9")

    assert (drawn["row"], drawn["seed"]) == ("V5", 2)
    assert [each["to"] for each in drawn["commands"]] == ["events"]
    assert again["commands"][0]["body"]["kind"].startswith("sequence_")
    assert truth["USD"]["total"].startswith("1000")
