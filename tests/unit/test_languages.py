"""What the API says can be said in Portuguese as well: all of it, and nothing twice."""

import ast
import json
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest

from dicom_router.dimse import PeerAddress
from dicom_router.errors import Unavailable
from dicom_router.events import DeliveryReason
from dicom_router.quarantine import NO_STUDY
from dicom_router.said import Said, as_said, is_only_values, joined, said
from services.api.languages import in_words, language, preferred, recorded
from services.api.portuguese import PORTUGUESE
from services.api.schemas import Check, CheckStatus

_ROOT = Path(__file__).parents[2]


def templates() -> set[str]:
    """The templates of all calls of `said`, each of which has to be a literal."""
    found: set[str] = set()
    for root in ("dicom_router", "services"):
        for path in (_ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "said":
                    given = node.args[0]
                    is_ours = path.name == "said.py"  # `joined` makes a template of separators
                    if isinstance(given, ast.Constant):
                        found.add(str(given.value))
                    else:
                        assert is_ours, f"{path}:{node.lineno}: said() needs a literal"
    return found


def names(template: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(template) if name is not None}


def test_every_sentence_has_its_portuguese() -> None:
    assert {each for each in templates() if not is_only_values(each)} == set(PORTUGUESE)


def test_the_portuguese_of_a_sentence_tells_the_same_values() -> None:
    assert [each for each, other in PORTUGUESE.items() if names(each) != names(other)] == []


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("en-US,pt;q=0.9", "en"),
        ("de, pt-PT;q=0.4, en;q=0.3", "pt-BR"),
        ("ja", "en"),
        ("pt;q=oops", "en"),
    ],
)
def test_the_language_is_the_one_that_a_client_likes_best(header: str, found: str) -> None:
    assert preferred(header) == found


def in_portuguese(text: str) -> str:
    token = language.set("pt-BR")
    try:
        return in_words(text)
    finally:
        language.reset(token)


def test_a_sentence_is_its_english_text_until_it_is_told() -> None:
    text = said("Nobody consumes {names}; messages that wait: {waiting}", names="a", waiting=2)
    assert text == "Nobody consumes a; messages that wait: 2"
    assert in_words(text) == text
    assert in_portuguese(text) == "Ninguém consome a; mensagens em espera: 2"


def test_sentences_within_sentences_are_told_too() -> None:
    why = Unavailable(said("The data folder can't be read: {why}", why=said("Permission denied")))
    text = said("{why}; try again soon.", why=why)
    assert text == "The data folder can't be read: Permission denied; try again soon."
    assert in_portuguese(text) == (
        "A pasta de dados não pode ser lida: permissão negada; tente de novo em breve."
    )
    row = joined("; ", [said("Disk"), "PACS {1}"])
    assert (row, in_portuguese(row)) == ("Disk; PACS {1}", "Disco; PACS {1}")


def test_a_peer_is_named_in_the_language_too() -> None:
    text = said("{peer} answered", peer=PeerAddress("10.0.0.5", 104, "PACS", "ROUTER"))
    assert text == "PACS at 10.0.0.5:104 answered"
    assert in_portuguese(text) == "PACS em 10.0.0.5:104 respondeu"


def test_numbers_and_dates_are_portuguese_as_well() -> None:
    size = said("{size:.1f} {unit}", size=1.25, unit="GiB")
    text = said("{free} of {total} is free", free=size, total="10 GiB")
    assert in_portuguese(text) == "1,2 GiB de 10 GiB estão livres"
    end = datetime(2026, 1, 22, 12, 30, tzinfo=UTC)
    text = said("{path} is good until {end:%Y-%m-%d %H:%M}", path="/a.pem", end=end)
    assert in_portuguese(text) == "/a.pem vale até 22/01/2026 12:30"


def test_a_sentence_that_was_kept_can_still_be_told() -> None:
    why = said("its file is not on the disk any more")
    reason = DeliveryReason(kind="missing", text=said("An image can't be sent: {why}", why=why))
    row = json.loads(json.dumps(reason.as_row()))
    assert row["text"] == "An image can't be sent: its file is not on the disk any more"
    assert in_portuguese(DeliveryReason.model_validate(row).text) == (
        "Uma imagem não pode ser enviada: o arquivo não está mais no disco"
    )
    before = {"kind": "missing", "text": "as {it} was said"}  # by an earlier version
    assert in_portuguese(DeliveryReason.model_validate(before).text) == "as {it} was said"
    assert "said" not in reason.model_dump(mode="json")  # events say it in English only


def test_an_error_that_only_has_text_stays_as_it_is() -> None:
    found = as_said(ValueError("odd {thing}"))
    assert isinstance(found, Said)
    assert in_portuguese(found) == "odd {thing}"


def test_a_sentence_without_values_is_told_from_its_text_alone() -> None:
    assert in_portuguese(recorded(NO_STUDY)) == "não tem Study Instance UID"
    assert in_portuguese(recorded("as {it} was")) == "as {it} was"


def test_a_check_is_told_in_the_language_of_the_request() -> None:
    check = Check(
        id="disk",
        title=said("Disk"),
        status=CheckStatus.OK,
        detail=said("There are none"),
        fix=said(""),
    )
    assert check.model_dump(mode="json")["title"] == "Disk"
    token = language.set("pt-BR")
    told = check.model_dump(mode="json")
    language.reset(token)
    assert (told["title"], told["detail"], told["fix"]) == ("Disco", "Não há nenhum", "")
