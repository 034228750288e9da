"""The fence around a stranger's model: after `shut` this process can compute, read and answer, and nothing else.

Decision: limits of memory and time (`pipelines.apart`) do not keep code that broke out of a parser from calling home or
writing a file. The kernel does: a seccomp filter, set for good and inherited by every thread, refuses the network, any
other program or process, signals, tracing, and every way of creating, opening for writing, renaming or removing a file.
What may be written is what was open before: the answer. A system call of another architecture ends the process. Where
the kernel has Landlock, files are readable only where the code lies and in the one folder that the task is about, so
that a key of the installation cannot even be read.

Decision: where the filter cannot be set nothing is registered (`CageError`); there is no weaker mode. It is written
for Linux on x86-64, what the platform runs on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_CALL: Final = 317
TSYNC: Final = 1
AUDIT_ARCH: Final = 0xC000003E
X32: Final = 0x40000000

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
REFUSE: Final = 0x00050000 | errno.EPERM
UNKNOWN: Final = 0x00050000 | errno.ENOSYS

NUMBER, ARCHITECTURE, FIRST, SECOND, THIRD = 0, 4, 16, 24, 32
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CLONE_THREAD: Final = 0x00010000

REFUSED: Final = """
socket 41 connect 42 accept 43 sendto 44 sendmsg 46 bind 49 listen 50 socketpair 53 accept4 288 sendmmsg 307
fork 57 vfork 58 execve 59 execveat 322
kill 62 ptrace 101 rt_sigqueueinfo 129 tkill 200 tgkill 234 rt_tgsigqueueinfo 297 process_vm_readv 310
process_vm_writev 311 kcmp 312 pidfd_send_signal 424 pidfd_open 434 pidfd_getfd 438 process_madvise 440
truncate 76 rename 82 mkdir 83 rmdir 84 creat 85 link 86 unlink 87 symlink 88 chmod 90 fchmod 91 chown 92 fchown 93
lchown 94 utime 132 mknod 133 setxattr 188 lsetxattr 189 fsetxattr 190 removexattr 197 lremovexattr 198
fremovexattr 199 utimes 235 mkdirat 258 mknodat 259 fchownat 260 futimesat 261 unlinkat 263 renameat 264 linkat 265
symlinkat 266 fchmodat 268 utimensat 280 name_to_handle_at 303 open_by_handle_at 304 renameat2 316 fchmodat2 452
shmget 29 shmat 30 semget 64 msgget 68 personality 135 modify_ldt 154 pivot_root 155 chroot 161 acct 163
settimeofday 164 mount 165 umount2 166 swapon 167 swapoff 168 reboot 169 sethostname 170 setdomainname 171 iopl 172
ioperm 173 init_module 175 delete_module 176 quotactl 179 io_setup 206 clock_settime 227 mq_open 240 kexec_load 246
add_key 248 request_key 249 keyctl 250 unshare 272 perf_event_open 298 fanotify_init 300 clock_adjtime 305 setns 308
finit_module 313 kexec_file_load 320 bpf 321 userfaultfd 323 io_uring_setup 425 io_uring_enter 426
io_uring_register 427 open_tree 428 move_mount 429 fsopen 430 fsconfig 431 fsmount 432 fspick 433 mount_setattr 442
"""
"""Calls that are refused, with their numbers on x86-64."""

READ_RULESET, READ_RULE, READ_RESTRICT = 444, 445, 446
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
O_PATH: Final = 0o10000000
SYSTEM: Final = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/sys/devices/system", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
    "/dev/null", "/dev/urandom",
)  # fmt: skip
"""What the interpreter and its libraries read, besides where they lie."""

OPEN, CLONE, PRLIMIT, OPENAT, CLONE3, OPENAT2 = 2, 56, 302, 257, 435, 437


class CageError(Exception):
    """The kernel did not take the filter."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def shut(readable: Sequence[Path]) -> None:
    """Fence this process for good. Raises CageError when that cannot be done."""
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        raise CageError(platform.machine())
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise CageError(os.strerror(ctypes.get_errno()))
    _only_read(kernel, [*map(Path, SYSTEM), *map(Path, {sys.prefix, sys.base_prefix}), *readable])
    code = b"".join(_filter())
    program = _Program(len(code) // 8, code)
    if kernel.syscall(SECCOMP_CALL, SECCOMP_SET_MODE_FILTER, TSYNC, ctypes.byref(program)) != 0:
        raise CageError(os.strerror(ctypes.get_errno()))


def _only_read(kernel: ctypes.CDLL, places: Sequence[Path]) -> None:
    """Let files be read beneath these places only, where the kernel can see to it."""
    handled = ctypes.c_uint64(READ_FILE | READ_FOLDER)
    rules = kernel.syscall(READ_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if rules < 0:
        return
    for place in places:
        if place.exists():
            parent = os.open(place, O_PATH | os.O_CLOEXEC)
            allowed = READ_FILE | READ_FOLDER if place.is_dir() else READ_FILE
            beneath = _Beneath(allowed, parent)
            kernel.syscall(READ_RULE, rules, 1, ctypes.byref(beneath), 0)
            os.close(parent)
    if kernel.syscall(READ_RESTRICT, rules, 0) != 0:
        raise CageError(os.strerror(ctypes.get_errno()))
    os.close(rules)


def _filter() -> Iterator[bytes]:
    """The filter's instructions: code, jump if true, jump if false, constant."""
    yield _step(LOAD, ARCHITECTURE)
    yield _step(EQUAL, AUDIT_ARCH, 1, 0)
    yield _step(RETURN, KILL)
    yield _step(LOAD, NUMBER)
    yield _step(AT_LEAST, X32, 0, 1)
    yield _step(RETURN, KILL)
    for number in sorted(int(word) for word in REFUSED.split() if word.isdigit()):
        yield _step(EQUAL, number, 0, 1)
        yield _step(RETURN, REFUSE)
    for number in (CLONE3, OPENAT2):  # the C library then takes the older call, which can be looked into
        yield _step(EQUAL, number, 0, 1)
        yield _step(RETURN, UNKNOWN)
    yield from _looked_into(OPEN, SECOND, WRITING, REFUSE, ALLOW)
    yield from _looked_into(OPENAT, THIRD, WRITING, REFUSE, ALLOW)
    yield from _looked_into(CLONE, FIRST, CLONE_THREAD, ALLOW, REFUSE)
    yield from _looked_into(PRLIMIT, FIRST, 0xFFFFFFFF, REFUSE, ALLOW)  # limits of this process only
    yield _step(RETURN, ALLOW)


def _looked_into(number: int, argument: int, bits: int, with_any: int, without: int) -> Iterator[bytes]:
    """A call that is judged by whether an argument has any of some bits."""
    yield _step(EQUAL, number, 0, 4)
    yield _step(LOAD, argument)
    yield _step(ANY_BIT, bits, 0, 1)
    yield _step(RETURN, with_any)
    yield _step(RETURN, without)


def _step(code: int, constant: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, constant)
