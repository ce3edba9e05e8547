"""Tokens, roles and names."""

import stat
import threading
from pathlib import Path

import pytest

from dicom_router.archive import Archive
from dicom_router.errors import ConfigurationError
from dicom_router.settings import Settings
from services.api.access import ensure_token
from services.api.actor import Role
from services.api.registration import named
from services.api.server import address_of


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


def test_a_role_may_do_what_lesser_ones_may() -> None:
    assert Role.ADMIN.covers(Role.VIEWER)
    assert Role.OPERATOR.covers(Role.OPERATOR)
    assert not Role.VIEWER.covers(Role.OPERATOR)
    assert not Role.OPERATOR.covers(Role.ADMIN)


def test_two_that_start_at_once_agree_on_one_token(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    found: list[tuple[str, bool]] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        found.append(ensure_token(settings(), archive))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({token for token, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".api-token"]
    assert stat.S_IMODE((tmp_path / ".api-token").stat().st_mode) == 0o600


def test_a_token_file_that_holds_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".api-token").write_text("\n")
    with pytest.raises(ConfigurationError, match="remove it"):
        ensure_token(settings(), Archive(tmp_path))


def test_the_address_is_one_that_can_be_opened() -> None:
    assert address_of(settings(http_host="127.0.0.1")) == "http://127.0.0.1:8501"
    assert address_of(settings(http_host="::1", http_port=80)) == "http://[::1]:80"
    assert "0.0.0.0" not in address_of(settings(http_host="0.0.0.0"))


def test_names_made_of_ae_titles_are_unique_and_valid() -> None:
    titles = ["CT ROOM", "CT_ROOM", "ct-room", "", "?", "A" * 60, "A" * 61, "X"]
    found = named(titles, {"x"})
    assert list(found.values()) == titles
    assert all(0 < len(name) <= 40 for name in found)
    assert list(found)[:5] == ["ct-room", "ct-room-2", "ct-room-3", "caller", "caller-2"]
    assert "x-2" in found
