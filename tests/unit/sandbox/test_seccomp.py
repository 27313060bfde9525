"""The filter of system calls: its decisions for both architectures, and what a real child can no longer do."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from server.sandbox import seccomp
from server.sandbox.seccomp import AARCH64, ALLOW, END, NOT_THERE, REFUSE, X86_64, Machine, filter_program

PROT_READ, PROT_EXEC = 1, 4
CLONE_THREAD, SIGCHLD = 0x10000, 17
X32 = 0x4000_0000
BOTH = pytest.mark.parametrize("here", [X86_64, AARCH64], ids=["x86_64", "aarch64"])
ONLY_WITH_A_FILTER = pytest.mark.skipif(seccomp.machine() is None, reason="there is no filter for this machine")


def decision(program: bytes, number: int, *arguments: int, architecture: int) -> int:
    """What the kernel does about a call: runs the program as the kernel does."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("<HBBI", program))
    loaded, at = 0, 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        match operation:
            case 0x20:
                loaded = int.from_bytes(data[operand : operand + 4], "little")
            case 0x15:
                at += if_true if loaded == operand else if_false
            case 0x45:
                at += if_true if loaded & operand else if_false
            case 0x06:
                return int(operand)
        at += 1


@BOTH
def test_only_the_calls_of_the_list_pass(here: Machine) -> None:
    program = filter_program(here, threads=False)
    passing = {number for number in range(1_000) if decision(program, number, architecture=here.audit_arch) == ALLOW}
    assert passing == {*here.plain.values(), *here.memory.values()}
    assert decision(program, here.clone3, architecture=here.audit_arch) == NOT_THERE
    assert decision(program, here.plain["close"] | X32, architecture=here.audit_arch) == REFUSE


@BOTH
def test_calls_in_the_manner_of_another_architecture_end_the_process(here: Machine) -> None:
    assert decision(filter_program(here, threads=True), here.plain["close"], architecture=0x4000_0003) == END


@BOTH
def test_memory_cannot_be_made_to_run(here: Machine) -> None:
    program = filter_program(here, threads=False)
    for number in here.memory.values():
        assert decision(program, number, 0, 4096, PROT_READ, architecture=here.audit_arch) == ALLOW
        assert decision(program, number, 0, 4096, PROT_READ | PROT_EXEC, architecture=here.audit_arch) == REFUSE


@BOTH
def test_clone_starts_threads_only_and_only_where_they_are_allowed(here: Machine) -> None:
    without, with_threads = (filter_program(here, threads=threads) for threads in (False, True))
    assert decision(without, here.clone, CLONE_THREAD, architecture=here.audit_arch) == REFUSE
    assert decision(with_threads, here.clone, CLONE_THREAD, architecture=here.audit_arch) == ALLOW
    assert decision(with_threads, here.clone, SIGCHLD, architecture=here.audit_arch) == REFUSE


@pytest.mark.parametrize(
    ("here", "header"),
    [(X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (AARCH64, "/usr/include/asm-generic/unistd.h")],
    ids=["x86_64", "aarch64"],
)
def test_the_numbers_are_those_of_the_kernel(here: Machine, header: str) -> None:
    try:
        lines = [line.split() for line in Path(header).read_text("ascii").splitlines()]
    except FileNotFoundError:
        pytest.skip("the headers of the kernel are not installed")
    numbers = {words[1].partition("_")[2]: words[2] for words in lines if words[:1] == ["#define"] and len(words) > 2}
    kernel = {name.removeprefix("_NR_").removeprefix("_NR3264_"): n for name, n in numbers.items() if n.isdigit()}
    ours = {**here.plain, **here.memory, "clone": here.clone, "clone3": here.clone3}
    assert {name: int(kernel[name]) for name in ours} == ours


# A child as the fork server makes one, in which each act is tried. It sends what became of each.
PROGRAM = """
import ctypes, errno, json, os, socket, sys, threading
from server.sandbox.confine import leave_system
from server.sandbox.seccomp import filter_calls, machine

filtered, namespaces, threads, user, folder = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def c(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def fork():
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def thread():
    started = threading.Thread(target=lambda: None)
    try:
        started.start()
    except RuntimeError:
        raise OSError(errno.EPERM, "thread") from None
    started.join()

class Piece(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]

def read_other_memory():
    theirs, ours = ctypes.create_string_buffer(b"secret"), ctypes.create_string_buffer(6)
    local, remote = Piece(ctypes.addressof(ours), 6), Piece(ctypes.addressof(theirs), 6)
    c("process_vm_readv", parent, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)

ACTS = {
    "read a file": lambda: open("/proc/self/maps").close(),
    "write a file": lambda: open("new", "w").close(),
    "make a folder": lambda: os.mkdir("folder"),
    "rename": lambda: os.rename("folder", "renamed"),
    "remove a folder": lambda: os.rmdir("renamed"),
    "delete a file": lambda: os.unlink("victim"),
    "list a folder": lambda: os.listdir("."),
    "look for a file": lambda: os.stat("."),
    "open a socket": lambda: socket.socket().close(),
    "open a pair of sockets": lambda: socket.socketpair(),
    "open a pipe": lambda: os.pipe(),
    "open memory as a file": lambda: os.memfd_create("x"),
    "duplicate a descriptor": lambda: os.dup(theirs.fileno()),
    "ask about the parent": lambda: os.getpgid(parent),
    "signal the parent": lambda: os.kill(parent, 0),
    "signal a thread of the parent": lambda: c("tgkill", parent, parent, 0),
    "signal itself": lambda: os.kill(os.getpid(), 0),
    "read the parent's memory": read_other_memory,
    "start a process": fork,
    "start a thread": thread,
    "change the priority": lambda: os.nice(1),
    "make memory run": lambda: c("mprotect", page, 4096, 5),
    "be traced": lambda: c("ptrace", 0, 0, None, None),
}

ours, theirs = socket.socketpair()
parent = os.getpid()
os.chdir(folder)
if user:
    os.setgroups([]), os.setgid(user), os.setuid(user)
libc.prctl(4, 1, 0, 0, 0)  # a child of the same user may read this process, as far as the system is concerned
if os.fork():
    theirs.close()
    print(ours.makefile().read())
    sys.exit()
if namespaces:
    leave_system(".")
libc.prctl(38, 1, 0, 0, 0)
libc.mmap.restype = ctypes.c_void_p
page = ctypes.c_void_p(libc.mmap(None, 4096, 3, 0x22, -1, 0))
here = machine()
if filtered:
    filter_calls(threads=threads)
outcomes = {}
for act, do in ACTS.items():
    try:
        do()
        outcomes[act] = 0
    except OSError as error:
        outcomes[act] = error.errno
if filtered and outcomes["signal itself"] == errno.EPERM:
    listed = {*here.plain.values(), *here.memory.values(), here.clone if threads else None}
    for number in range(1_000):
        if number not in listed and number not in (335, 336):  # these two belong to probes of the kernel
            libc.syscall(number, 0, 0, 0, 0, 0, 0)
            outcomes[str(number)] = ctypes.get_errno()
theirs.send(json.dumps(outcomes).encode())
os._exit(0)
"""


def outcomes_in_child(
    folder: Path, *, filtered: bool = True, namespaces: bool = False, threads: bool = False, user: int = 0
) -> dict[str, int]:
    """The error number of each act, 0 where it was done, and of each call that is not listed."""
    victim = folder / "victim"
    victim.write_text("records")
    folder.chmod(0o777)
    arguments = json.dumps([filtered, namespaces, threads, user, str(folder)])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, arguments], capture_output=True, text=True, check=True, timeout=60
    )
    outcomes: dict[str, int] = json.loads(ran.stdout)
    assert victim.exists() == bool(outcomes["delete a file"]), ran.stderr
    return outcomes


NOBODY = 65_534
USERS = [0] if os.getuid() else [0, NOBODY]  # 0: as whoever runs the tests


@ONLY_WITH_A_FILTER
def test_without_the_filter_a_child_can_do_each_of_the_acts(tmp_path: Path) -> None:
    outcomes = outcomes_in_child(tmp_path, filtered=False)
    assert {act: code for act, code in outcomes.items() if code} == {}


@ONLY_WITH_A_FILTER
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("namespaces", [False, True], ids=["same namespaces", "own namespaces"])
def test_with_the_filter_a_child_can_do_none_of_them(user: int, namespaces: bool, tmp_path: Path) -> None:
    outcomes = outcomes_in_child(tmp_path, namespaces=namespaces, user=user)
    assert outcomes.pop(str(X86_64.clone3)) == errno.ENOSYS
    assert {act: code for act, code in outcomes.items() if code != errno.EPERM} == {}
    assert len(outcomes) > 900


@ONLY_WITH_A_FILTER
@pytest.mark.parametrize("user", USERS)
def test_a_child_that_may_start_threads_can_start_nothing_else(user: int, tmp_path: Path) -> None:
    outcomes = outcomes_in_child(tmp_path, threads=True, user=user)
    assert [act for act, code in outcomes.items() if not code] == ["start a thread"]
    assert outcomes["start a process"] == errno.EPERM
