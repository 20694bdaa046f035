"""What ssh and sudo say, in words that tell a person what to do."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from wizards.provision.access import Place
from wizards.provision.ssh_run import Said
from wizards.sanitize import one_line


class LoginProblem(StrEnum):
    """What keeps a node from being used; one word for programs, the reason beside it is for people."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    NO_ROUTE = "no-route"
    UNKNOWN_NAME = "unknown-name"
    NOT_SSH = "not-ssh"
    WRONG_KEY = "wrong-key"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a problem, not a secret
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    KEY_MISSING = "key-missing"
    KEY_TOO_OPEN = "key-too-open"
    KEY_UNREADABLE = "key-unreadable"
    KEY_LOCKED = "key-locked"
    TOO_MANY_KEYS = "too-many-keys"
    NO_AGENT = "no-agent"
    AGENT_EMPTY = "agent-empty"
    JUMP_HOST = "jump-host"
    NO_SHELL = "no-shell"
    ACCOUNT_EXPIRED = "account-expired"
    HANGS = "hangs"
    NO_SUDO = "no-sudo"
    SUDO_WANTS_PASSWORD = "sudo-wants-password"  # noqa: S105 - as above
    WRONG_SUDO_PASSWORD = "wrong-sudo-password"  # noqa: S105 - as above
    NOT_SUDOER = "not-sudoer"
    SUDO_WANTS_TTY = "sudo-wants-tty"
    SUDO_HANGS = "sudo-hangs"
    SUDO_FAILS = "sudo-fails"
    NOT_ROOT = "not-root"
    NO_PYTHON = "no-python"
    OLD_PYTHON = "old-python"
    NO_HOME = "no-home"
    NO_SSHPASS = "no-sshpass"
    KEY_NOT_WRITTEN = "key-not-written"
    KEY_NOT_TAKEN = "key-not-taken"
    OTHER = "other"


class Reason(NamedTuple):
    """A problem and its words."""

    problem: LoginProblem
    words: str


_EXPIRED: Final = (
    r"[Aa]ccount (?:has|is) expired|[Pp]assword (?:has )?expired|[Pp]assword change required"
    r"|change your password"
)
_P = LoginProblem
_CONNECTING: Final = (
    # Order matters: the first that is found is the cause, later ones are its consequences.
    (
        r"HOST IDENTIFICATION HAS CHANGED|host key .* has changed",
        _P.HOST_KEY_CHANGED,
        "its host key is not the one that is kept",
    ),
    (r"No \S+ host key is known", _P.HOST_KEY_UNKNOWN, "its host key has not been confirmed yet"),
    (r"Host key verification failed", _P.HOST_KEY_UNKNOWN, "its host key could not be verified"),
    (
        r"Could not resolve hostname|Name or service not known|name resolution",
        _P.UNKNOWN_NAME,
        "the name {host} is not known {here}; check its spelling, or write the IP address",
    ),
    (
        r"Connection refused",
        _P.REFUSED,
        "nothing listens on port {port} of {host}: is the SSH server running there, and on that port?",
    ),
    (
        r"No route to host|Network is unreachable",
        _P.NO_ROUTE,
        "no way leads to {host}: check the address and the network",
    ),
    (
        r"during banner exchange|Connection to .* timed out|[Cc]onnection timed out|not responding",
        _P.TIMEOUT,
        "no answer from {host} port {port}: the machine is off, or a firewall drops the packets",
    ),
    (
        r"kex_exchange_identification|banner line contains|Bad remote protocol|protocol version",
        _P.NOT_SSH,
        "{host} port {port} hangs up or is no SSH server: check the port, and its limit of logins at once",
    ),
    (
        r"UNPROTECTED PRIVATE KEY",
        _P.KEY_TOO_OPEN,
        "the key file {key} may be read by others, so ssh refuses it: chmod 600 mends that",
    ),
    (
        r"Load key .*: (?:error in libcrypto|invalid format)",
        _P.KEY_UNREADABLE,
        "the key file {key} is not a private key that ssh can read",
    ),
    (
        r"Too many authentication failures",
        _P.TOO_MANY_KEYS,
        "the server hung up before the right key came: ssh offers too many others; name the right one as"
        " access.key_file",
    ),
    (
        _EXPIRED,
        _P.ACCOUNT_EXPIRED,
        "the account {user} has expired or must get a new password first: log in by hand once",
    ),
)
_DENIED: Final = re.compile(r"Permission denied \(([\w,@.-]*)\)")
_FORWARDING: Final = re.compile(r"open failed: (connect failed: )?(.*)")
_AFTER_LOGIN: Final = (
    (
        r"account is currently not available|account is not available|nologin",
        _P.NO_SHELL,
        "logged in, but {user} may run nothing there: the account has no login shell (nologin)",
    ),
    (
        _EXPIRED,
        _P.ACCOUNT_EXPIRED,
        "logged in, but the account {user} has expired or must get a new password first: log in by hand once",
    ),
)
_SUDO: Final = (
    (
        r"must have a tty",
        _P.SUDO_WANTS_TTY,
        "logged in, but sudo wants a terminal there: take 'requiretty' out of /etc/sudoers",
    ),
    (
        r"not in the sudoers file|may not run sudo|not allowed to (?:run|execute)|not permitted to",
        _P.NOT_SUDOER,
        "logged in, but {user} may not use sudo: add the user to the group sudo or wheel",
    ),
    (
        r"[Aa]ccount or password is expired|account validation failure",
        _P.ACCOUNT_EXPIRED,
        "logged in, but sudo says that the account {user} has expired or must get a new password first",
    ),
    (
        r"incorrect password attempt|Sorry, try again|no password was provided",
        _P.WRONG_SUDO_PASSWORD,
        "logged in, but sudo does not accept the password",
    ),
    (
        r"a (?:terminal|password) is required|no askpass program",
        _P.SUDO_WANTS_PASSWORD,
        "logged in, but sudo asks for a password: choose 'sudo with a password', or allow {user} NOPASSWD",
    ),
    (
        r"must be owned by uid 0|effective uid is not 0|no new privileges|nosuid",
        _P.SUDO_FAILS,
        "logged in, but sudo cannot become root there: {last}",
    ),
)
_DEBUG: Final = re.compile(r"^debug\d: .*$", re.MULTILINE)
_CHATTER: Final = re.compile(
    r"^(Authenticated to|Transferred:|Bytes per second|Warning: Permanently added|debug\d:|OpenSSH_"
    r"|sudo: unable to resolve host|\*\*\*|@@@)"
)


def says_changed(said: Said) -> bool:
    """Tell whether ssh refused a host key because it is not the kept one, or not of the kept kind."""
    return re.search(_CONNECTING[0][0], said.stderr, re.IGNORECASE) is not None


def authenticated(said: Said) -> bool:
    """Tell whether the login itself went well (ssh says so at LogLevel VERBOSE)."""
    return re.search(r"^Authenticated to ", said.stderr, re.MULTILINE) is not None


def connecting(said: Said, place: Place, *, password: bool = False) -> Reason:
    """Return why no login came about: the jump host's fault, the network's, the server's, the key's."""
    if said.jump and (reason := _at_jump_host(said.jump, place)):
        return reason
    stderr = _DEBUG.sub("", said.stderr)
    if reason := _find(_CONNECTING, stderr, place):
        return reason
    if denied := _DENIED.search(stderr):
        return _denied(denied[1], place, password=password)
    if said.late:
        words = f"no login to {place.host} port {place.port} came about in time: it is slow, or hangs"
        return Reason(_P.TIMEOUT, words)
    return Reason(_P.OTHER, last_line(said))


def after_login(said: Said, place: Place) -> Reason:
    """Return why nothing ran although the login went well."""
    if reason := _find(_AFTER_LOGIN, f"{said.stdout}\n{said.stderr}", place):
        return reason
    if said.late:
        return Reason(_P.HANGS, "logged in, but then nothing comes: the machine or its disks may hang")
    words = f"logged in, but the login shell of {place.user} ran nothing (exit status {said.code})"
    return Reason(_P.NO_SHELL, words + ": is it nologin or /bin/false?")


def sudo(said: Said, place: Place) -> Reason:
    """Return why sudo did not make root."""
    if reason := _find(_SUDO, said.stderr, place):
        return reason
    if said.late:
        words = "logged in, but sudo does not answer: a directory service or a name lookup may hang there"
        return Reason(_P.SUDO_HANGS, words)
    return Reason(_P.SUDO_FAILS, f"logged in, but sudo fails: {last_line(said)}")


def last_line(said: Said) -> str:
    """Return the last thing that was said, cleaned, in one line; what ssh only mentions is left out."""
    lines = [line for line in said.stderr.strip().splitlines() if not _CHATTER.search(line)]
    return one_line(lines[-1]) if lines else f"ssh ended with code {said.code} and said nothing"


def _find(table: tuple[tuple[str, LoginProblem, str], ...], text: str, place: Place) -> Reason | None:
    for pattern, problem, words in table:
        if re.search(pattern, text):
            return Reason(problem, _fill(words, text, place))
    return None


def _fill(words: str, text: str, place: Place, here: str = "here") -> str:
    lines = [line for line in text.strip().splitlines() if not _CHATTER.search(line)]
    return words.format(
        host=place.host,
        port=place.port,
        user=place.user,
        key=place.key_file or "in use",
        here=here,
        last=one_line(lines[-1]) if lines else "",
    )


def _denied(offered: str, place: Place, *, password: bool) -> Reason:
    words = f"the server does not let {place.user} in: it "
    takes = offered.replace(",", ", ") or "nothing"
    if password and "password" not in offered and "keyboard-interactive" not in offered:
        return Reason(_P.WRONG_PASSWORD, f"{words}takes no passwords (only {takes})")
    if password:
        return Reason(_P.WRONG_PASSWORD, f"{words}does not accept the password")
    key = f"the key {place.key_file}" if place.key_file else "any key that was offered"
    return Reason(_P.WRONG_KEY, f"{words}does not accept {key} (it takes {takes})")


def _at_jump_host(log: str, place: Place) -> Reason | None:
    """Tell the jump host's own faults from what it says about the way from there to the node."""
    if forwarding := _FORWARDING.search(log):
        if not forwarding[1]:  # it did not even try
            words = f"the jump host does not let connections through to {place.host}: AllowTcpForwarding"
            return Reason(_P.JUMP_HOST, f"{words} may be off there ({one_line(forwarding[2], 80)})")
        for pattern, problem, words in _CONNECTING:
            if re.search(pattern, forwarding[2]):
                return Reason(problem, f"as seen from the jump host: {_fill(words, '', place, 'there')}")
        return Reason(_P.NO_ROUTE, f"the jump host cannot reach it: {one_line(forwarding[2])}")
    for pattern, _, words in _CONNECTING:
        if re.search(pattern, log):
            about = words.replace("{host} port {port}", "it").replace("port {port} of {host}", "its SSH port")
            text = _fill(about.replace("{host}", "it"), "", place)
            return Reason(_P.JUMP_HOST, f"the jump host is in the way: {text}")
    if _DENIED.search(log):
        return Reason(_P.JUMP_HOST, "the jump host is in the way: it does not let us in")
    return None
