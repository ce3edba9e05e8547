"""Settings: what is wrong ends the start with one line; what is right takes effect."""

from pathlib import Path

import pytest

from dicom_router.errors import ConfigurationError
from dicom_router.settings import ignored_variables, load_settings


def test_defaults_hold_without_any_variable() -> None:
    settings = load_settings()
    assert settings.dicom_ports == (11112,)
    assert settings.database.startswith("sqlite:///")
    assert settings.broker == ""
    assert not settings.retention_is_explicit


def test_several_ports_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_DICOM_PORTS", "104, 4100")
    assert load_settings().dicom_ports == (104, 4100)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ROUTER_DICOM_PORTS", "dicom"),
        ("ROUTER_DICOM_PORTS", "70000"),
        ("ROUTER_DICOM_PORTS", ","),
        ("ROUTER_HTTP_PORT", "web"),
        ("ROUTER_STUDY_SETTLE_SECONDS", "-3"),
        ("ROUTER_RETENTION_HOURS", "never"),
        ("ROUTER_DISK_MIN_FREE_PERCENT", "150"),
        ("ROUTER_ACCEPT_CALLERS", "perhaps"),
        ("ROUTER_AE_TITLE", "MUCH_TOO_LONG_A_TITLE"),
        ("ROUTER_DATABASE_URL", "not a url"),
        ("ROUTER_AMQP_URL", "http://broker"),
        ("TARGET_PORT", "0"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    line = str(refused.value)
    assert "\n" not in line
    assert f"{variable}={value}" in line


def test_a_misspelt_name_is_told_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_STUDY_SETTEL_SECONDS", "5")
    with pytest.raises(ConfigurationError, match="did you mean ROUTER_STUDY_SETTLE_SECONDS"):
        load_settings()


def test_what_kubernetes_injects_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("ROUTER_PORT_104_TCP", "tcp://10.0.0.1:104")
    load_settings()
    assert ignored_variables() == ["ROUTER_PORT_104_TCP", "ROUTER_SERVICE_HOST"]


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_RETENTION_HOURS", "")
    monkeypatch.setenv("TARGET_PORT", "")
    assert not load_settings().retention_is_explicit


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-from-a-file\n")
    monkeypatch.setenv("ROUTER_API_TOKEN_FILE", str(tmp_path / "token"))
    assert load_settings().api_token.get_secret_value() == "a-token-from-a-file"


@pytest.mark.parametrize(
    "variable",
    ["ROUTER_API_TOKEN", "ROUTER_ALERT_URL", "ROUTER_ALERT_SECRET", "ROUTER_HEARTBEAT_URL"],
)
def test_a_bad_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "too short")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "too short" not in str(refused.value)


def test_a_password_in_a_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_DATABASE_URL", "mysql://router:secret@db/router")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "secret" not in str(refused.value)


def test_half_a_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_HOST", "pacs")
    with pytest.raises(ConfigurationError, match="belong together"):
        load_settings()


TLS = {
    "ROUTER_DICOM_TLS_PORTS": "2762,2763",
    "ROUTER_DICOM_TLS_CERT": "cert.pem",
    "ROUTER_DICOM_TLS_KEY": "key.pem",
}


def test_ports_for_tls_are_given_with_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TLS.items():
        monkeypatch.setenv(name, value)
    assert load_settings().dicom_tls_ports == (2762, 2763)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("ROUTER_DICOM_TLS_KEY", "", "ROUTER_DICOM_TLS_CERT and ROUTER_DICOM_TLS_KEY belong"),
        ("ROUTER_DICOM_TLS_CERT", "", "ROUTER_DICOM_TLS_CERT and ROUTER_DICOM_TLS_KEY belong"),
        (
            "ROUTER_DICOM_TLS_PORTS",
            "11112",
            "ROUTER_DICOM_TLS_PORTS=11112 is in ROUTER_DICOM_PORTS",
        ),
        ("ROUTER_DICOM_TLS_PORTS", "tls", "ROUTER_DICOM_TLS_PORTS=tls is not allowed"),
    ],
)
def test_settings_of_tls_that_contradict_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    for name, given in (TLS | {variable: value}).items():
        monkeypatch.setenv(name, given)
    with pytest.raises(ConfigurationError, match=told) as refused:
        load_settings()
    assert "\n" not in str(refused.value)


def test_ports_for_tls_need_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_DICOM_TLS_PORTS", "2762")
    with pytest.raises(ConfigurationError, match="needs ROUTER_DICOM_TLS_CERT"):
        load_settings()


def test_alerts_are_not_sent_unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_ALERT_URL", "https://alerts.example/hook")
    with pytest.raises(ConfigurationError, match="needs ROUTER_ALERT_SECRET"):
        load_settings()
    monkeypatch.setenv("ROUTER_ALERT_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    load_settings()
    monkeypatch.setenv("ROUTER_ALERT_SECRET", "whsec_no base 64 at all")
    with pytest.raises(ConfigurationError, match="base 64"):
        load_settings()
