"""A pcscd of one's own: two virtual slots in private namespaces, seen by nobody who is not given its socket.

vpcd listens on every network interface, so daemon and virtual cards share a network namespace that has only `lo`.
The daemon's run directory is bound to a temporary folder, so its socket is reachable from outside; libpcsclite finds it
by PCSCLITE_CSOCK_NAME.
"""

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

IMPORT_ROOT = Path(__file__).resolve().parents[2]
PACKAGED_READER = Path("/etc/reader.conf.d/vpcd")
# The usual port of vpcd; the namespace is ours, so it is always free. The second slot listens one above.
FIRST_PORT = 0x8C7B
READER_NAME = "Virtual PCD"
SLOTS = 2
# sun_path holds 108 bytes; libpcsclite cuts a longer name silently.
LONGEST_SOCKET_PATH = 100
READY_WITHIN_SECONDS = 10.0
STOPPED_WITHIN_SECONDS = 5.0
SIOCSIFFLAGS = 0x8914  # linux/sockios.h
IFF_UP = 0x1  # linux/if.h
INSTALL_HINT = "apt-get install pcscd vsmartcard-vpcd"
NAMESPACE_HINT = (
    "run as root (in a container: --cap-add SYS_ADMIN) or allow user namespaces (user.max_user_namespaces > 0)"
)


class PrivatePcscdUnavailable(Exception):
    """The private daemon cannot run here; the message says in one line what to do."""


@dataclass(frozen=True)
class VirtualSlot:
    """One slot: the name PC/SC shows and the port at which its virtual card dials in, inside the namespace."""

    reader: str
    port: int


class PrivatePcscd:
    """The running daemon. Made by `private_pcscd()`, which also ends it."""

    def __init__(self, folder: Path, namespace: subprocess.Popen[bytes], enter: list[str]) -> None:
        self.folder = folder
        self.socket = _socket_path(folder)
        self.slots = tuple(VirtualSlot(f"{READER_NAME} 00 {n:02X}", FIRST_PORT + n) for n in range(SLOTS))
        self._namespace = namespace
        self._enter = enter
        self._daemon: subprocess.Popen[bytes] | None = None

    def beside(self, command: list[str]) -> list[str]:
        """Return the command line that runs `command` here, but in the daemon's namespaces; it ends with its parent."""
        return [*self._enter, f"--wd={Path.cwd()}", "--", "setpriv", "--pdeathsig", "KILL", "--", *command]

    def start_daemon(self) -> None:
        """Start pcscd and wait until it answers at its socket."""
        self.socket.unlink(missing_ok=True)
        command = self.beside([*_daemon_command(), "--config", str(self.folder / "readers")])
        with (self.folder / "pcscd.log").open("wb") as log:
            self._daemon = _start(command, output=log)
        self._wait_until_ready(self._daemon)

    def stop_daemon(self, *, hard: bool = False) -> None:
        """End pcscd, by SIGKILL if `hard`; the namespaces and the virtual cards in them stay."""
        if self._daemon is not None:
            _end(self._daemon, hard=hard)
        self._daemon = None

    def restart_daemon(self, *, hard: bool = False) -> None:
        self.stop_daemon(hard=hard)
        self.start_daemon()

    def close(self) -> None:
        """End the daemon and the namespaces; whoever holds the namespaces removes the folder as its last act."""
        self.stop_daemon()
        _end_namespace(self._namespace)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self, daemon: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not _is_answering(self.socket):
            if daemon.poll() is not None or time.monotonic() > deadline:
                self.stop_daemon(hard=True)
                raise PrivatePcscdUnavailable(f"pcscd did not start: {_last_line(self.folder / 'pcscd.log')}")
            time.sleep(0.005)


@contextmanager
def private_pcscd() -> Iterator[PrivatePcscd]:
    """Run a private pcscd with two empty virtual slots until the block ends. Raises PrivatePcscdUnavailable."""
    require_installed()
    folder = Path(tempfile.mkdtemp(prefix="pcsc-"))
    try:
        require_short_path(folder)
        _write_reader_configuration(folder)
        namespace, enter = _open_namespace(folder)
    except PrivatePcscdUnavailable:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    daemon = PrivatePcscd(folder, namespace, enter)
    try:
        daemon.start_daemon()
        yield daemon
    finally:
        daemon.close()


def require_installed() -> None:
    if not PACKAGED_READER.exists() or not Path(_daemon_path()).exists():
        raise PrivatePcscdUnavailable(f"pcscd and its virtual readers are missing: {INSTALL_HINT}")
    for tool in ("unshare", "nsenter", "setpriv", "mount"):
        if shutil.which(tool) is None:
            raise PrivatePcscdUnavailable(f"{tool} is missing: apt-get install util-linux mount")


def require_short_path(folder: Path) -> None:
    if len(os.fsencode(_socket_path(folder))) > LONGEST_SOCKET_PATH:
        raise PrivatePcscdUnavailable(
            f"the folder for temporary files is too deep for a socket: set TMPDIR=/tmp ({folder})"
        )


def _socket_path(folder: Path) -> Path:
    return folder / "run" / "pcscd" / "pcscd.comm"


def _daemon_path() -> str:
    return shutil.which("pcscd") or "/usr/sbin/pcscd"


def _daemon_command() -> list[str]:
    """Newer builds ask polkit for every client unless told not to; older ones do not know the option."""
    usage = subprocess.run([_daemon_path(), "--help"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed program
    extra = ["--disable-polkit"] if "--disable-polkit" in usage else []
    return [_daemon_path(), "--foreground", *extra]


def _write_reader_configuration(folder: Path) -> None:
    """Copy the packaged reader's driver path: it names the machine's library directory."""
    packaged = PACKAGED_READER.read_text(encoding="utf-8")
    driver = re.search(r"^LIBPATH\s+(\S+)", packaged, re.MULTILINE)
    if driver is None:
        raise PrivatePcscdUnavailable(f"{PACKAGED_READER} names no driver: apt-get install --reinstall vsmartcard-vpcd")
    (folder / "run" / "pcscd").mkdir(parents=True)
    (folder / "readers").mkdir()
    port = f"{FIRST_PORT:#x}"
    lines = (
        f'FRIENDLYNAME "{READER_NAME}"',
        f"DEVICENAME /dev/null:{port}",
        f"LIBPATH {driver[1]}",
        f"CHANNELID {port}",
    )
    (folder / "readers" / "vpcd").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _open_namespace(folder: Path) -> tuple[subprocess.Popen[bytes], list[str]]:
    """Return the process that holds the namespaces open and the command prefix that enters them."""
    attempts = [(["-mn"], ["-m", "-n"])] if os.geteuid() == 0 else []
    attempts.append((["-Urmn"], ["--user", "--preserve-credentials", "-m", "-n"]))
    for unshare_options, enter_options in attempts:
        holder = _start_holder(["unshare", *unshare_options, "--propagation", "private"], folder)
        if holder is not None:
            return holder, ["nsenter", "-t", str(holder.pid), *enter_options]
    raise PrivatePcscdUnavailable(f"private namespaces are not allowed here: {NAMESPACE_HINT}")


def _start_holder(unshare: list[str], folder: Path) -> subprocess.Popen[bytes] | None:
    holder = subprocess.Popen(  # noqa: S603 - fixed programs
        [*unshare, sys.executable, "-m", "physical.chip.private_pcscd", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=IMPORT_ROOT,
        start_new_session=True,
    )
    if holder.stdout is not None and holder.stdout.readline() == b"ready\n":
        return holder
    _end_namespace(holder)
    return None


def _start(command: list[str], *, output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - fixed programs
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )


def _end(process: subprocess.Popen[bytes], *, hard: bool) -> None:
    if hard:
        process.kill()
    else:
        process.terminate()
    try:
        process.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:  # a driver that waits for a mute card keeps the daemon from ending
        process.kill()
        process.wait()


def _end_namespace(holder: subprocess.Popen[bytes]) -> None:
    for pipe in (holder.stdin, holder.stdout):
        if pipe is not None:
            pipe.close()
    _end_quietly(holder)


def _end_quietly(holder: subprocess.Popen[bytes]) -> None:
    try:
        holder.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.wait()


def _is_answering(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


def hold_namespace(folder: Path) -> None:
    """Prepare the namespaces from inside, then keep them until the parent's pipe closes, however the parent ended."""
    _bring_loopback_up()
    subprocess.run(["mount", "--bind", str(folder / "run"), "/run"], check=True)  # noqa: S603, S607 - fixed program
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


if __name__ == "__main__":
    hold_namespace(Path(sys.argv[1]))
