"""Nothing is installed that was not looked at: every package and every jar is pinned by its hash."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from tests.processes import ROOT

_PERMISSIVE = re.compile(r"Apache|BSD|MIT|MPL-2|PSF|Python Software Foundation|Repoze|ISC|Unlicense|Zlib")
_BINDING = re.compile(r"GPL|General Public|SSPL|BUSL|Business Source|Commons Clause|CC-BY-NC|Proprietary")
_SHA256 = re.compile(r"^(sha256:)?[0-9a-f]{64}$")


def locked_packages() -> list[dict[str, Any]]:
    """Those of uv's lock file."""
    packages: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return packages


def test_every_dependency_is_locked_with_a_hash() -> None:
    """Every file that may be installed for a package; this project is the only one without."""
    unlocked = []
    for package in locked_packages():
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if not files or not all(_SHA256.match(file.get("hash", "")) for file in files):
            unlocked.append(package["name"])
    assert unlocked == ["creditstream"]


def test_every_dependency_comes_from_the_same_place_over_https() -> None:
    """None from a repository, a folder or an address of its own, where a hash could be exchanged with the file."""
    sources = {str(package["source"]) for package in locked_packages() if package["name"] != "creditstream"}
    assert len(sources) == 1
    (registry,) = sources
    assert "'registry': 'https://" in registry


def test_the_image_and_the_setup_install_what_is_locked() -> None:
    """Neither resolves anything anew."""
    for file in ("Makefile", "deploy/Dockerfile"):
        syncs = re.findall(r"\buv sync\b[^\n]*", (ROOT / file).read_text(encoding="utf-8"))
        assert syncs
        assert all("--frozen" in sync for sync in syncs), file


def test_every_jar_of_kafka_is_locked_with_a_hash() -> None:
    """As the lock file of the local stack has them."""
    lock = tomllib.loads((ROOT / "deploy" / "local" / "jgo.lock.toml").read_text(encoding="utf-8"))
    assert len(lock["dependencies"]) > 10
    assert all(_SHA256.match(jar["sha256"]) for jar in lock["dependencies"])


def needed_by_the_processes() -> set[str]:
    """What the image holds: everything that creditstream's own dependencies need, on whatever machine."""
    needs: dict[str, set[str]] = {}
    for package in locked_packages():
        needs.setdefault(package["name"], set()).update(each["name"] for each in package.get("dependencies", []))
    found, todo = set[str](), set(needs["creditstream"])
    while todo:
        found |= todo
        todo = set().union(*(needs[name] for name in todo)) - found
    return found


def licence(name: str) -> str | None:
    """Everything that an installed package says of its licence; None when it is for other machines than this."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return None
    # Some put the whole text where its name belongs: what is meant is at its beginning, or in the classifiers.
    texts = [text[:100] for name in ("License-Expression", "License") for text in stated.get_all(name, [])]
    return " ".join([*texts, *(each for each in stated.get_all("Classifier", []) if each.startswith("License"))])


def test_what_the_processes_need_may_be_used_and_passed_on_by_anybody() -> None:
    """By their licences: permissive, and none that binds the whole."""
    licences = {name: licence(name) for name in needed_by_the_processes()}
    stated = {name: text for name, text in licences.items() if text is not None}
    assert len(stated) > 25
    assert {name: text for name, text in stated.items() if not _PERMISSIVE.search(text) or _BINDING.search(text)} == {}
