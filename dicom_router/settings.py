"""Every setting, read once from the environment; one that is bad ends the start with one line.

A secret may come from a file instead: `ROUTER_API_TOKEN_FILE` names it.
"""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dicom_router.errors import ConfigurationError

PREFIX = "ROUTER_"
SECRETS = (
    "ROUTER_API_TOKEN",
    "ROUTER_AMQP_URL",
    "ROUTER_DATABASE_URL",
    "ROUTER_ALERT_URL",
    "ROUTER_ALERT_SECRET",
    "ROUTER_HEARTBEAT_URL",
)
# Of these nothing is repeated in an error; of the others the password is left out.
_NEVER_SHOWN = {
    "ROUTER_API_TOKEN",
    "ROUTER_ALERT_URL",
    "ROUTER_ALERT_SECRET",
    "ROUTER_HEARTBEAT_URL",
}
# Kubernetes puts these into the environment of every pod beside a Service called `router`.
_KUBERNETES = re.compile(r"ROUTER_(SERVICE_.*|PORT(_.*)?)")

AeTitle = Annotated[str, Field(pattern=r"^[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,15})$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """The router's settings; the README's table says the same with one line each."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Path("data")
    database_url: SecretStr = SecretStr("")
    amqp_url: SecretStr = SecretStr("")

    dicom_host: str = "0.0.0.0"  # noqa: S104 - scanners are elsewhere
    dicom_ports: Annotated[tuple[Port, ...], NoDecode, Field(min_length=1)] = (11112,)
    dicom_published_ports: Annotated[tuple[Port, ...], NoDecode] = ()
    dicom_tls_ports: Annotated[tuple[Port, ...], NoDecode] = ()
    dicom_tls_cert: Path | None = None
    dicom_tls_key: Path | None = None
    dicom_tls_ca: Path | None = None
    dicom_workers: Annotated[int, Field(ge=1, le=64)] = 1
    dicom_max_associations: Annotated[int, Field(ge=1, le=1000)] = 25
    dicom_negotiation_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    dicom_idle_timeout_seconds: Annotated[float, Field(gt=0, le=86400)] = 900
    ae_title: AeTitle = "DICOMROUTER"
    require_called_ae: bool = False
    accept_callers: Literal["auto", "any", "known"] = "auto"

    receiver_host: str = ""

    http_host: str = "127.0.0.1"
    http_port: Port = 8501
    http_tls_cert: Path | None = None
    http_tls_key: Path | None = None
    api_token: SecretStr = SecretStr("")
    alert_url: SecretStr = SecretStr("")
    alert_secret: SecretStr = SecretStr("")
    heartbeat_url: SecretStr = SecretStr("")

    study_settle_seconds: Annotated[float, Field(ge=0, le=86400)] = 30
    study_idle_seconds: Annotated[float, Field(gt=0, le=604800)] = 60
    retention_hours: Annotated[float, Field(ge=-1, le=876000)] = 0
    disk_min_free_percent: Annotated[float, Field(ge=0, lt=100)] = 5
    identity_conflict: Literal["flag", "hold"] = "flag"

    target_host: str = Field("", validation_alias="TARGET_HOST")
    target_port: Port | None = Field(None, validation_alias="TARGET_PORT")
    target_aet: AeTitle | Literal[""] = Field("", validation_alias="TARGET_AET")
    target_calling_aet: AeTitle | Literal[""] = Field("", validation_alias="TARGET_CALLING_AET")

    @field_validator("dicom_ports", "dicom_published_ports", "dicom_tls_ports", mode="before")
    @classmethod
    def _split_ports(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not re.match(r"(sqlite:///.+|postgresql(\+psycopg)?://.+)", url):
            raise ValueError("postgresql+psycopg://user:password@host/name or sqlite:///file")
        return value

    @field_validator("amqp_url")
    @classmethod
    def _known_broker(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not re.match(r"amqps?://.+", url):
            raise ValueError("amqp://user:password@host:port/vhost or amqps://…")
        return value

    @field_validator("api_token")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and not re.fullmatch(r"[\x21-\x7e]{16,512}", token):
            raise ValueError("16 to 512 printable ASCII characters without spaces")
        return value

    @field_validator("alert_url", "heartbeat_url")
    @classmethod
    def _over_http(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not re.fullmatch(r"https?://[\x21-\x7e]+", url):
            raise ValueError("https://… or http://…")
        return value

    @field_validator("alert_secret")
    @classmethod
    def _a_key(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        groups = r"whsec_([A-Za-z0-9+/]{4}){5,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
        if secret and not re.fullmatch(rf"{groups}|(?!whsec_).{{16,}}", secret):
            raise ValueError("16 characters or more, or whsec_ and 15 bytes or more in base 64")
        return value

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: as given, or a SQLite file in the data folder."""
        given = self.database_url.get_secret_value()
        if given:
            return re.sub(r"^postgresql://", "postgresql+psycopg://", given)
        return f"sqlite:///{self.data_dir.absolute() / '.router.sqlite3'}"

    @property
    def broker(self) -> str:
        """The AMQP URL; empty for the in-process bus."""
        return self.amqp_url.get_secret_value()

    @property
    def retention_is_explicit(self) -> bool:
        """Whether ROUTER_RETENTION_HOURS was set: folders taken over are deleted only then."""
        return "retention_hours" in self.model_fields_set


def load_settings() -> Settings:
    """Read the settings; `ConfigurationError` names the variable, its value and what is allowed."""
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    secrets = _read_secret_files(given)
    for name, value in given.items():
        if name not in _VARIABLES and not _is_injected(name):
            raise ConfigurationError(_unknown(name, value))
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        raise ConfigurationError(_first_problem(error)) from error
    _require_consistent(settings)
    return settings


def ignored_variables() -> list[str]:
    """The `ROUTER_` names that Kubernetes injects: ignored, and worth a warning."""
    return sorted(name for name in os.environ if _is_injected(name))


_VARIABLES = {
    PREFIX + field.upper() for field in Settings.model_fields if not field.startswith("target_")
}


def _is_injected(name: str) -> bool:
    return _KUBERNETES.fullmatch(name) is not None


def _read_secret_files(given: dict[str, str]) -> dict[str, Any]:
    """Take the `…_FILE` names out of `given`; the secrets they point to, by field."""
    secrets = {}
    for secret in SECRETS:
        path = given.pop(f"{secret}_FILE", None)
        if path is None:
            continue
        if secret in given:
            raise ConfigurationError(f"{secret} and {secret}_FILE are both set: keep one of them")
        try:
            secrets[secret.removeprefix(PREFIX).lower()] = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{secret}_FILE={path} can't be read: {error}") from error
    return secrets


def _unknown(name: str, value: str) -> str:
    shown = "…" if re.search(r"TOKEN|SECRET|PASSWORD|URL|KEY", name) else value
    near = get_close_matches(name, _VARIABLES, n=1)
    hint = f"did you mean {near[0]}?" if near else "the README lists the settings there are"
    return f"{name}={shown} is not a setting: {hint}"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    field = str(problem["loc"][0])
    variable = field if field.startswith("TARGET_") else PREFIX + field.upper()
    value = "…" if variable in _NEVER_SHOWN else _masked(os.environ.get(variable, ""))
    allowed = str(problem["msg"]).removeprefix("Value error, ")
    return f"{variable}={value} is not allowed: {allowed[:1].lower()}{allowed[1:]}"


def _masked(value: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", value)


def _require_consistent(settings: Settings) -> None:
    if bool(settings.target_host) != bool(settings.target_port and settings.target_aet):
        raise ConfigurationError(
            "TARGET_HOST, TARGET_PORT and TARGET_AET belong together: set all three or none"
        )
    if bool(settings.http_tls_cert) != bool(settings.http_tls_key):
        raise ConfigurationError(
            "ROUTER_HTTP_TLS_CERT and ROUTER_HTTP_TLS_KEY belong together: set both or neither"
        )
    if settings.alert_url.get_secret_value() and not settings.alert_secret.get_secret_value():
        raise ConfigurationError(
            "ROUTER_ALERT_URL needs ROUTER_ALERT_SECRET, with which alerts are signed"
        )
    if bool(settings.dicom_tls_cert) != bool(settings.dicom_tls_key):
        raise ConfigurationError(
            "ROUTER_DICOM_TLS_CERT and ROUTER_DICOM_TLS_KEY belong together: set both or neither"
        )
    if settings.dicom_tls_ports and not settings.dicom_tls_cert:
        raise ConfigurationError(
            "ROUTER_DICOM_TLS_PORTS needs ROUTER_DICOM_TLS_CERT and ROUTER_DICOM_TLS_KEY"
        )
    both = sorted(set(settings.dicom_tls_ports) & set(settings.dicom_ports))
    if both:
        raise ConfigurationError(
            f"ROUTER_DICOM_TLS_PORTS={both[0]} is in ROUTER_DICOM_PORTS as well: a port is either "
            "plain or for TLS"
        )
