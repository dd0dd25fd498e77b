"""Settings come from the environment, are checked at start, and a bad one ends the process by name.

`CREDITSTREAM_BOOTSTRAP_SERVERS` sets the field `bootstrap_servers` of whichever settings a process loads.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from schemas.guarded_settings import GuardedSettings, shown_value
from schemas.kafka_security import KafkaSecurity
from schemas.topics import TopicNames

ENVIRONMENT_PREFIX = "CREDITSTREAM_"
T = TypeVar("T", bound=Struct)


class BadSettingError(Exception):
    """A setting that cannot be used: its name, its value and what is allowed."""


class KafkaSettings(KafkaSecurity, frozen=True, kw_only=True):
    """Where Kafka is, how to speak to it, and which topics are ours."""

    bootstrap_servers: Annotated[str, Meta(min_length=1)] = "127.0.0.1:9092"
    topic_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,80}$")] = ""
    app: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,80}$")] = "creditstream"

    @property
    def topics(self) -> TopicNames:
        return TopicNames(prefix=self.topic_prefix, app=self.app)

    @property
    def client(self) -> dict[str, str | int | float | bool]:
        """What every librdkafka client is given; its repr tells no secret."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.security}


def load_settings(settings: type[T], environ: Mapping[str, str] | None = None, **overrides: object) -> T:
    """The settings of a process; `NAME_FILE` reads the value of `NAME` from a file, as secrets come.

    `overrides` (command-line options that were given) win over the environment.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(settings):
        name = ENVIRONMENT_PREFIX + field.name.upper()
        if overrides.get(field.name) is not None:
            values[field.name] = overrides[field.name]
        elif name in environ:
            values[field.name] = environ[name]
        elif f"{name}_FILE" in environ:
            values[field.name] = _read_file(f"{name}_FILE", environ[f"{name}_FILE"])
    for name, value in values.items():
        _check_one(settings, name, value)
    loaded = msgspec.convert(values, settings, strict=False)
    if isinstance(loaded, GuardedSettings) and (problems := loaded.problems()):
        raise BadSettingError("".join(f"setting {problem}. Correct it and start again.\n" for problem in problems)[:-1])
    return loaded


def _check_one(settings: type[T], name: str, value: object) -> None:
    try:
        msgspec.convert({name: value}, settings, strict=False)
    except msgspec.ValidationError as error:
        allowed = str(error).split(" - at ")[0]
        shown = shown_value(name, value)
        raise BadSettingError(
            f"setting {ENVIRONMENT_PREFIX}{name.upper()} is {shown}: {allowed}. Correct it and start again."
        ) from None


def _read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise BadSettingError(f"setting {name} names a file that cannot be read: {error}") from None
