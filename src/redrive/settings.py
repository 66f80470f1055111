"""One frozen settings object, built once and validated whole.

Values come, first wins, from flags, ``REDRIVE_*`` environment variables and ``redrive.toml``
(in the working directory, or the file that ``REDRIVE_CONFIG`` names).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from redrive.domain import Retention
from redrive.errors import SettingsError


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return value


def _database_url(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return value


def _days(value: object) -> object:
    """Whole days; 0 and "never" keep for ever."""
    text = str(value).strip().lower()
    if text == "never":
        return 0
    if isinstance(value, bool) or not text.isdecimal() or int(text) > _MOST_DAYS:
        raise ValueError(f"must be a whole number of days up to {_MOST_DAYS}, or 0 or never")
    return int(text)


_MOST_DAYS = 36_500
_PREFIX = "REDRIVE_"
_OTHER_VARIABLES = frozenset({"CONFIG", "FAULT", "REQUIRE_ALL"})
"""No settings: where the settings file is, what the crash proof wants (:mod:`redrive.faultpoints`),
and that the tests must not skip anything."""
_SERVICE_LINK = re.compile(r"(^|_)(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP))")

RedisUrl = Annotated[str, AfterValidator(_redis_url)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
Days = Annotated[int, BeforeValidator(_days)]


class Source(BaseModel):
    """One watched queue system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="default", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    engine: Literal["bullmq"] = "bullmq"
    url: RedisUrl | None = Field(
        default=None, description="The queues' Redis; default: Redrive's own."
    )
    queues: tuple[str, ...] = Field(default=("*",), min_length=1, description="Names or patterns.")
    prefix: str = Field(default="bull", min_length=1)
    app: str = Field(default="app_id", description="Path into a job's data, such as tenant.id.")
    app_by_queue: Mapping[str, str] = Field(
        default_factory=dict, description="Another path for single queues."
    )
    forgetful: tuple[str, ...] = Field(
        default=(),
        description="Patterns of queues whose workers drop failed jobs by number or age, so that "
        "a missing job may be rebuilt even if its own options do not say so.",
    )
    rescan_key: str = Field(
        default="isRescan",
        pattern=r"^[A-Za-z0-9_.$:-]*$",
        description="Set in a moved job's data: true for a retry; empty: leave data.",
    )


class _Environment(EnvSettingsSource):
    """The ``REDRIVE_*`` variables; one that is not JSON where JSON is needed is left as text, so
    that it is reported together with all other problems."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Settings(BaseSettings):
    """Everything that can be set, with its default."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_PREFIX, env_ignore_empty=True
    )

    data_dir: Path = Field(Path("redrive-data"), description="Where Redrive keeps its own files.")
    database_url: DatabaseUrl | None = Field(
        None, description="The ledger: sqlite:/// or postgresql://; default: SQLite in data_dir."
    )
    redis_url: RedisUrl | None = Field(
        None, description="Redrive's own Redis; default for 'up' and 'demo': an embedded one."
    )
    redis_binary: Path | None = Field(None, description="The server that the embedded one runs.")
    sources: tuple[Source, ...] = Field((Source(),), min_length=1, description="Watched queues.")
    host: str = Field("127.0.0.1", description="Where the console listens.")
    port: int = Field(8484, ge=1, le=65535, description="The console's port.")
    admin_password: str | None = Field(
        None,
        min_length=8,
        repr=False,
        description="Creates the user 'admin' at the first start; without it a random password "
        "is printed once.",
    )
    public_origin: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="The origin that browsers see, when a proxy stands before the console.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses whose X-Forwarded-* headers are believed."
    )
    payload_limit: int = Field(
        256 * 1024, ge=0, description="Bytes of a payload that the ledger keeps; 0 keeps none."
    )
    batch_size: int = Field(1000, ge=1, le=5000, description="Entries per hand-over.")
    observe_minutes: int = Field(
        60,
        ge=0,
        le=10_080,
        description="Minutes after an operation's end during which it waits for what becomes of "
        "the work that it moved, before its verdict is final.",
    )
    approval_over: int = Field(
        0,
        ge=0,
        description="Bulk operations over more entries wait until another user approves them; "
        "0: none does.",
    )
    retention_days: Days = Field(
        30,
        description="Days that entries which are over, and finished operations, are kept; "
        "0 or 'never' keeps them for ever.",
    )
    audit_retention_days: Days = Field(
        30, description="Days that audit rows are kept; 0 or 'never' keeps them for ever."
    )
    secret_keys: tuple[str, ...] = Field(
        (
            "password",
            "passwd",
            "secret",
            "token",
            "authorization",
            "cookie",
            "api_key",
            "apikey",
            "private_key",
            "credential",
        ),
        description="Keys whose values are masked wherever a payload is shown.",
    )
    log_format: Literal["console", "json"] = Field("console", description="How logs are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )

    _file: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        environment = _Environment(settings_cls)
        return init_settings, environment, InitSettingsSource(settings_cls, dict(cls._file))

    @field_validator("sources", mode="wrap")
    @classmethod
    def _sources_are_named_apart(
        cls, value: Any, build: ValidatorFunctionWrapHandler
    ) -> tuple[Source, ...]:
        """Beside whatever else is wrong with them: every problem is listed at once."""
        found = [] if (doubled := _doubled_names(value)) is None else [doubled]
        try:
            sources: tuple[Source, ...] = build(value)
        except ValidationError as error:
            found = [_kept(problem) for problem in error.errors()] + found
        if found:
            raise ValidationError.from_exception_data("sources", found)
        return sources

    @property
    def observe_for(self) -> timedelta:
        """How long after its end an operation waits for outcomes."""
        return timedelta(minutes=self.observe_minutes)

    @property
    def retention(self) -> Retention:
        """How long what is over is kept."""
        return Retention(
            history=timedelta(days=self.retention_days) or None,
            audit=timedelta(days=self.audit_retention_days) or None,
        )

    @property
    def ledger_url(self) -> str:
        """The ledger's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'ledger.db').absolute()}"


def _doubled_names(sources: Any) -> InitErrorDetails | None:
    """The problem with sources, as they were given, of which two have the same name."""
    if not isinstance(sources, list | tuple):
        return None
    default = Source.model_fields["name"].default
    names = [
        source.name if isinstance(source, Source) else source.get("name", default)
        for source in sources
        if isinstance(source, Source | Mapping)
    ]
    doubled = sorted({str(name) for name in names if names.count(name) > 1})
    if not doubled:
        return None
    problem = PydanticCustomError("doubled", "each source needs a name of its own")
    return InitErrorDetails(type=problem, loc=("name",), input=", ".join(doubled))


def _kept(problem: ErrorDetails) -> InitErrorDetails:
    said = PydanticCustomError(problem["type"], "{said}", {"said": problem["msg"]})
    return InitErrorDetails(type=said, loc=problem["loc"], input=problem["input"])


def load_settings(**flags: Any) -> Settings:
    """The settings from flags (None: not given), environment and file.

    Raises SettingsError with one line per problem: key, value and what is allowed.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    path = Path(os.environ.get("REDRIVE_CONFIG") or "redrive.toml")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if os.environ.get("REDRIVE_CONFIG"):
            raise SettingsError((f"REDRIVE_CONFIG: there is no file {path}",)) from error
        content = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError((f"{path}: {error}",)) from error

    class FileSettings(Settings):
        _file: ClassVar[Mapping[str, Any]] = content

    unknown = _unknown_variables()
    try:
        settings = FileSettings(**given)
    except ValidationError as error:
        raise SettingsError((*_problems(error), *unknown)) from error
    if unknown:
        raise SettingsError(unknown)
    return settings


def _unknown_variables() -> tuple[str, ...]:
    """One line for each ``REDRIVE_*`` variable that is no setting; an empty one is not set."""
    known = {name.upper() for name in Settings.model_fields} | _OTHER_VARIABLES
    given = {
        name.removeprefix(_PREFIX): value
        for name, value in map(_upper, sorted(os.environ.items()))
        if name.startswith(_PREFIX)
    }
    return tuple(
        f"{_PREFIX}{name}: {_no_such_setting(name, known, _PREFIX)}"
        for name, value in given.items()
        if name not in known and value and not _is_service_link(name, value)
    )


def _upper(variable: tuple[str, str]) -> tuple[str, str]:
    """Variables count in small letters too."""
    return variable[0].upper(), variable[1]


def _is_service_link(name: str, value: str) -> bool:
    """Kubernetes sets such variables in every pod beside a Service named ``redrive-redis``."""
    return value.startswith(("tcp://", "udp://")) or _SERVICE_LINK.search(name) is not None


def _no_such_setting(name: str, known: Iterable[str], prefix: str = "") -> str:
    alike = difflib.get_close_matches(name, known, n=1)
    return "there is no such setting" + (f"; did you mean {prefix}{alike[0]}?" if alike else "")


def _problems(error: ValidationError) -> tuple[str, ...]:
    lines = []
    places = [problem["loc"] for problem in error.errors()]
    for problem in error.errors():
        place = problem["loc"]
        if any(place == other[: len(place)] and place != other for other in places if place):
            # A list whose only member is wrong is also reported as too short.
            continue
        key = ".".join(str(part) for part in place)
        if problem["type"] == "extra_forbidden":
            known = (Settings if len(place) == 1 else Source).model_fields
            lines.append(f"{key}: {_no_such_setting(str(place[-1]), known)}")
            continue
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "tuple_type":
            message = 'must be a list; in the environment it is JSON, such as ["one", "two"]'
        if not key:
            lines.append(message)
            continue
        value = "" if _is_secret(key) else f" (given: {problem['input']!r})"
        lines.append(f"{key} (REDRIVE_{key.split('.')[0].upper()}): {message}{value}")
    return tuple(lines)


def _is_secret(key: str) -> bool:
    """Passwords, and URLs with a password inside, are not repeated in an error."""
    return "password" in key or key.rpartition(".")[2] in ("url", "redis_url", "database_url")
