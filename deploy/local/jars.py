"""Kafka's jars, downloaded once and compared with the checksums of the lock file on every start."""

import hashlib
import os
import shutil
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import MavenContext
from msgspec import Struct

from deploy.local.disk import require_space
from deploy.local.errors import LocalStackError
from deploy.local.exclusive import exclusive

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
_DOWNLOADS_AT_ONCE = 6
_DOWNLOAD_TIMEOUT_SECONDS = 60
_NEEDED_BYTES = 200 << 20


class LockedJar(Struct, frozen=True):
    """One jar of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars(lock_file: Path = LOCK_FILE) -> list[LockedJar]:
    """The jars that the lock file names, all with a checksum."""
    entries = tomllib.loads(lock_file.read_text(encoding="utf-8"))["dependencies"]
    return [LockedJar(each["groupId"], each["artifactId"], each["version"], each["sha256"]) for each in entries]


def cache_folder() -> Path:
    """Where jars are kept between runs and checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "creditstream" / "jars"


def resolve_jars(folder: Path | None = None, jars: list[LockedJar] | None = None) -> list[Path]:
    """Every locked jar as a checked file, downloading what is missing or damaged."""
    folder = cache_folder() if folder is None else folder
    jars = locked_jars() if jars is None else jars
    require_space(folder, _NEEDED_BYTES)
    with exclusive(folder / ".lock"):
        missing = [jar for jar in jars if not _is_intact(folder / jar.file_name, jar)]
        if missing:
            _download(missing, folder)
    return [folder / jar.file_name for jar in jars]


def _download(jars: list[LockedJar], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        pool = ThreadPoolExecutor(_DOWNLOADS_AT_ONCE)
        try:
            # list() so that the first failure is raised here; the rest is not waited for.
            list(pool.map(lambda jar: _fetch(jar, folder, Path(scratch)), jars))
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch(jar: LockedJar, folder: Path, scratch: Path) -> None:
    """Put one jar into the folder, from the machine's Maven repository or from the network."""
    maven_repository = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
    try:
        found = _locate(jar, scratch / "any", [maven_repository])
        if not _is_intact(found, jar):
            found = _locate(jar, scratch / "remote", [])
    # jgo lets requests' and its own errors through, asserts included: whatever it is, the jar is not here.
    except Exception as error:
        raise LocalStackError(
            f"could not download {jar}, a jar of Apache Kafka: {error}. "
            f"Check the network and start again; what was downloaded is kept in {folder}."
        ) from error
    if not _is_intact(found, jar):
        raise LocalStackError(
            f"{jar} as downloaded has the checksum {_sha256(found)}, the lock file says {jar.sha256}. "
            f"It was not used. Start again; if it stays, compare with {LOCK_FILE}."
        )
    if found.is_relative_to(scratch):
        found.replace(folder / jar.file_name)
        return
    copy = scratch / jar.file_name
    shutil.copyfile(found, copy)
    copy.replace(folder / jar.file_name)


def _locate(jar: LockedJar, download_folder: Path, repositories: list[Path]) -> Path:
    context = MavenContext(repo_cache=download_folder, local_repos=repositories, timeout=_DOWNLOAD_TIMEOUT_SECONDS)
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _is_intact(path: Path, jar: LockedJar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
