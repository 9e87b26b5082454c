"""Every venue passes one contract, over its adapter and its simulator."""

from __future__ import annotations

import pytest

from holdfast.core.venue import Capability
from holdfast.testing.contract import Case, Subject, cases_for, run_case
from holdfast.testing.contract.registry import CASES, DENIALS
from tests.contract.subjects import SUBJECTS

_EVERY = [
    pytest.param(case, subject, id=f"{subject.venue.id}-{case}")
    for subject in SUBJECTS
    for case in cases_for(subject.venue)
]


@pytest.mark.parametrize(("case", "subject"), _EVERY)
def test_venue_keeps_its_promise(case: Case, subject: Subject) -> None:
    run_case(case, subject)


def test_every_capability_has_a_case_and_every_one_that_a_venue_lacks_a_denial() -> None:
    assert {case.capability for case in CASES} == set(Capability)
    lacked = {capability for subject in SUBJECTS for capability in subject.venue.facts.lacks}
    assert {case.capability for case in DENIALS} >= lacked


def test_cases_are_told_apart_by_their_names() -> None:
    names = [str(case) for case in (*CASES, *DENIALS)]
    assert len(names) == len(set(names))
