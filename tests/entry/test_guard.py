"""What is refused before it is read, in one sentence, at once, and without repeating it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wizards.entry import EntryError, Source, default_ssh_config, read_file, read_text

OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n"
BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"
OTHER = "QyNTUxOQAAACBvYmplY3RzIGluIHRoZSBtaXJyb3IgYXJlIGNsb3NlciB0aGFuIHRoZXkg"


def refusal(read: Callable[[], object]) -> str:
    begun = time.perf_counter()
    with pytest.raises(EntryError) as refused:
        read()
    assert time.perf_counter() - begun < 2
    said = str(refused.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 300
    return said


@pytest.mark.parametrize(
    "text",
    [
        OPENSSH.format(BODY),
        "10.0.0.1\n" + OPENSSH.format(BODY),
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIE",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/5",
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
        BODY,
        OTHER,
        f"{OTHER}\n{OTHER}\nAAAA==\n",
        "all:\n  vars:\n    key: |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      " + BODY,
    ],
)
def test_a_private_key_is_refused_and_never_repeated(text: str, tmp_path: Path) -> None:
    file = tmp_path / "servers.txt"
    file.write_text(text)
    for said in (refusal(lambda: read_text(text)), refusal(lambda: read_file(file))):
        assert "private key" in said
        assert "not kept" in said
        assert not any(line and line in said for line in text.splitlines())


def test_a_million_lines_are_refused(tmp_path: Path) -> None:
    text = "a\n" * 1_000_000
    assert "1,000,001 lines" in refusal(lambda: read_text(text))
    file = tmp_path / "many"
    file.write_text("10.0.0.1\n" * 1_000_000)
    assert "MiB" in refusal(lambda: read_file(file))


def test_a_huge_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as stream:
        stream.truncate(64 * 1024**3)
    assert "65536.0 MiB" in refusal(lambda: read_file(file))


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\x7fELF\x02\x01\x01\x00\x00", "not a text file"),
        (b"10.0.0.1\n\xff\xfe\n", "Line 2"),
        ("10.0.0.1".encode("utf-16"), "UTF-16"),
        (b"10.0.0.1\n10.0.0.2\x1b[2J", "Line 2 holds the control character U+001B"),
        (b"#!/usr/bin/python3\nprint()", "nothing is run"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162", "Vault"),
        (b"10.0.0.1\n{{ lookup('pipe', 'id') }}", "Line 2 holds template braces"),
        (b"name,ip\n{% x %},10.0.0.1", "Line 2 holds template braces"),
        (b"10.0.0.1 {# x #}", "Line 1 holds template braces"),
        (b"", "nothing in it"),
    ],
)
def test_what_is_no_list_of_servers_is_refused(content: bytes, hint: str, tmp_path: Path) -> None:
    file = tmp_path / "servers"
    file.write_bytes(content)
    assert hint in refusal(lambda: read_file(file))


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.close()
    for source in (None, Source.SSH_CONFIG, Source.CLUSTER):
        for path in (pipe, tmp_path / "socket", Path("/dev/zero"), Path("/dev/stdin")):
            assert "regular file" in refusal(lambda path=path, source=source: read_file(path, source=source))  # type: ignore[misc]
        assert "folder" in refusal(lambda source=source: read_file(tmp_path, source=source))  # type: ignore[misc]
        assert "no file" in refusal(lambda source=source: read_file(tmp_path / "none", source=source))  # type: ignore[misc]
    assert "cannot be read" in refusal(lambda: read_file(Path("a\0b")))
    assert "cannot be read" in refusal(lambda: read_file(Path("a" * 5000)))


def test_the_default_ssh_configuration_is_the_users_own() -> None:
    assert default_ssh_config() == Path.home() / ".ssh" / "config"
