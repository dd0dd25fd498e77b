"""Settings that keep their secrets to themselves, and say what is wrong with them together."""

from msgspec import Struct

_SECRET_WORDS = ("password", "secret", "token", "url")
# A webhook's URL often lets whoever knows it post there.
_HIDDEN = "(hidden)"


class Secret(str):
    """Text whose repr is not the text, so that a log of what holds it does not tell it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _HIDDEN


class GuardedSettings(Struct, frozen=True, kw_only=True):
    """Its repr hides every field whose name says that it is a secret."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={shown_value(name, getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({shown})"

    def problems(self) -> list[str]:
        """What is wrong with settings that are each right by themselves, a sentence each."""
        return []


def shown_value(name: str, value: object) -> str:
    """The value as a message may show it: hidden if the name says that it is a secret."""
    return _HIDDEN if value and any(word in name for word in _SECRET_WORDS) else repr(value)
