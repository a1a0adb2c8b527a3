"""A filter of system calls: a program stays one process, and its memory stays in its address space.

With both, the limits of one process (`setrlimit`) are the limits of all that a program starts.
Source: https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers of the calls:
https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_64.tbl and
https://github.com/torvalds/linux/blob/master/include/uapi/asm-generic/unistd.h.
"""

import errno
import platform
import struct

REFUSED = {
    "x86_64": {
        "shmget": 29, "clone": 56, "fork": 57, "vfork": 58, "semget": 64, "msgget": 68,
        "mq_open": 240, "add_key": 248, "memfd_create": 319, "userfaultfd": 323,
        "io_uring_setup": 425, "clone3": 435, "memfd_secret": 447,
    },
    "aarch64": {
        "mq_open": 180, "msgget": 186, "semget": 190, "shmget": 194, "add_key": 217, "clone": 220,
        "memfd_create": 279, "userfaultfd": 282, "io_uring_setup": 425, "clone3": 435,
        "memfd_secret": 447,
    },
}  # fmt: skip
"""Refused calls and their numbers by machine: calls that start a process or a thread, and calls
that make memory which no limit of a process counts, because it needs no address."""
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's numbers of the machines (AUDIT_ARCH)."""
OTHER_CALLS = 0x40000000
"""From this number on, calls of x86_64 have a second table (x32)."""

ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
LOAD, EQUALS, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""Codes of instructions (linux/filter.h): load a word; jump if equal, if at least; return."""


def build_filter() -> bytes:
    """Return the filter for this machine, in the form that `bwrap --seccomp` reads.

    Raises:
        KeyError: the machine is not in `REFUSED`.
    """
    machine = platform.machine()
    numbers = sorted(REFUSED[machine].values())
    program = [
        (LOAD, 0, 0, 4),  # the machine whose calls these are
        (EQUALS, 1, 0, ARCHITECTURE[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),  # the number of the call
        (AT_LEAST, len(numbers) + 1, 0, OTHER_CALLS),
        *((EQUALS, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
