"""A deploy refuses messages that do not go with what is written."""

import pytest

from orchestrator import AnySaga
from orchestrator.client.compatibility import refuse_incompatible
from orchestrator.errors import SchemaIncompatible
from tests.unit.client import sagas

DEPLOYED = [sagas.purchase.compile()]


@pytest.mark.parametrize("younger", [sagas.purchase, sagas.purchase_with_note, sagas.purchase_with_noted_answer])
def test_what_goes_with_what_is_deployed_is_taken(younger: AnySaga) -> None:
    refuse_incompatible(DEPLOYED, [younger.compile()])


@pytest.mark.parametrize(
    ("younger", "text"),
    [
        (sagas.purchase_of_mils, "input purchase, written as deployed and read as it is now: "),
        (sagas.purchase_with_duty, "input purchase, written as deployed and read as it is now: "),
        (sagas.purchase_charging_mils, "command billing.Charge, written as deployed and read as it is now: "),
        (sagas.refill, "command billing.Charge, written as deployed and read as it is now: "),
    ],
)
def test_what_does_not_is_refused_by_name(younger: AnySaga, text: str) -> None:
    with pytest.raises(SchemaIncompatible) as caught:
        refuse_incompatible(DEPLOYED, [younger.compile()])
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_the_scales_are_named() -> None:
    with pytest.raises(SchemaIncompatible, match=r"decimal\(18, 4\).*decimal\(18, 2\)"):
        refuse_incompatible(DEPLOYED, [sagas.purchase_of_mils.compile()])


def test_two_sagas_of_one_deploy_must_agree() -> None:
    with pytest.raises(SchemaIncompatible, match=r"command billing\.Charge"):
        refuse_incompatible([], [sagas.purchase.compile(), sagas.refill.compile()])


def test_an_answer_must_be_read_by_the_old_and_the_new() -> None:
    # Back again: the deployed one has a note more, which the new one passes over, and fills in when it reads.
    refuse_incompatible([sagas.purchase_with_noted_answer.compile()], DEPLOYED)
