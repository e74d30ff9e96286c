"""What an importer made wrong is no fault of the conversion."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzer.core.report import OutputPair
from analyzer.core.types import FaultClass, Finding, Mistranslation, Pivot, Status, Where
from analyzer.outside import bare_fault, bare_finding
from analyzer.reimport import import_findings, without_importers

Make = Callable[..., Pivot]
AGREE = OutputPair("y", "y", None, 0.0, 0.0, 1e-6, within=True, label_disagreement=None)


def finding(where: Where) -> Finding:
    """Return a fault that somebody made."""
    fault = bare_fault(FaultClass.RUNTIME, "wrong", where=where, status=Status.FAULT)
    return bare_finding("unexplained", fault)


@pytest.mark.parametrize(
    ("within", "where"), [(True, Where.TARGET_IMPORT), (False, Where.CONVERSION)]
)
def test_conversion_is_not_blamed_where_the_models_agree(
    *, within: bool, where: Where
) -> None:
    """Only where the native outputs differ can the conversion be at fault."""
    found = finding(Where.CONVERSION), finding(Where.TARGET_IMPORT)
    told = without_importers(found, (replace(AGREE, within=within),))

    assert told[0].where is where


def test_tolerance_of_the_user_takes_no_blame_away() -> None:
    """It says what is bearable at an output, not who made a fault."""
    found = finding(Where.CONVERSION), finding(Where.TARGET_IMPORT)
    told = without_importers(found, (replace(AGREE, relative_error=0.5),))

    assert told == found


def test_conversion_is_blamed_where_no_importer_is() -> None:
    """Outputs may agree beside a fault that hardly shows."""
    found = (finding(Where.CONVERSION),)

    assert without_importers(found, (AGREE,)) == found


def test_mended_operator_is_told_with_its_layer(pivot: Make) -> None:
    """It harms nobody, and whoever exports the model himself should know."""
    wrong = Mistranslation("aten.elu.default", None, "elu", 0.5, mended=True)
    plain = pivot("(float[2] x) => (y) { y = Relu(x) }")
    (told,) = import_findings(replace(plain, wrong=(wrong,)), plain)

    assert (told.status, told.where) == (Status.HARMLESS, Where.SOURCE_IMPORT)
    assert "gets aten.elu.default wrong by 0.5" in told.message
    assert told.source_tensors == ("elu",)
