"""The inside of the sandbox: namespaces, an empty root, limits; then one program.

Run as a script by `training.benchmarks.sandbox`, with the standard library alone; never imported.
Linux only. What a program finds inside: the interpreter and the system's libraries, read only;
/box, in memory and of limited size, the only place to write; no network interface but a loopback
of its own that is down; no process but its own; no environment. It is nobody, without capabilities.
Source: man 7 namespaces, man 2 pivot_root, man 2 mount.
"""

import ctypes
import json
import os
import resource
import signal
import sys

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
"""Flags of unshare(2)."""
RDONLY, NOSUID, NODEV, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
"""Flags of mount(2)."""
KEPT = NOSUID | NODEV | 8 | 1024 | 2048
"""Flags of a mount that stay as they are: noexec, noatime, nodiratime, too."""
DETACH = 2
"""Flag of umount2(2)."""
PDEATHSIG, NO_NEW_PRIVS = 1, 38
"""Options of prctl(2)."""
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
"""Number of a call that libc has no function for."""
NOBODY = 65534
NOT_ISOLATED = 125
"""Exit status where the sandbox could not be made; no program has run then."""

DRIVER = """
import os, sys
source, nonce = sys.stdin.read().split("\\0")
verdict = os.dup(1)
os.dup2(os.open("/dev/null", os.O_RDWR), 0)
os.dup2(0, 1)
exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
os.write(verdict, nonce.encode())
"""
"""Runs the program on standard input; only one that comes to its end writes the word of the parent,
so that `exit(0)` is no success."""

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of libc; an error is raised by its number."""
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount a file system, bind a folder, or change the flags of one."""
    call(
        "mount", *(text and text.encode() for text in (source, target, kind)), flags, data.encode()
    )


def isolate() -> None:
    """Leave the namespaces of the machine; without root, into a user namespace first."""
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        call("unshare", NEWUSER)
        for file, line in {
            "setgroups": "deny",
            "uid_map": f"{NOBODY} {user} 1",
            "gid_map": f"{NOBODY} {group} 1",
        }.items():
            with open(f"/proc/self/{file}", "w") as settings:  # noqa: PTH123
                settings.write(line)
    call("unshare", NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET)


def enter(root: str, visible: list[str], work_bytes: int) -> None:
    """Make `root` the root: an empty file system with the visible paths, read only, and /box.

    Flags that the machine mounts a path with stay: a user namespace may not lift them.
    """
    mount(None, "/", None, REC | PRIVATE)
    mount("tmpfs", root, "tmpfs", NOSUID | NODEV, "size=1m,mode=755")
    for path in visible:
        target = root + path
        if os.path.isdir(path):  # noqa: PTH112
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(target, os.O_CREAT))
        mount(path, target, None, BIND)
        if path != "/dev/null":
            kept = os.statvfs(target).f_flag & KEPT
            mount(None, target, None, REMOUNT | BIND | RDONLY | NOSUID | kept)
    os.mkdir(f"{root}/box")  # noqa: PTH102
    mount("tmpfs", f"{root}/box", "tmpfs", NOSUID | NODEV, f"size={work_bytes},mode=777")
    os.mkdir(f"{root}/old")  # noqa: PTH102
    number = PIVOT_ROOT[os.uname().machine]
    call("syscall", number, root.encode(), f"{root}/old".encode())
    os.chdir("/box")
    call("umount2", b"/old", DETACH)
    os.rmdir("/old")  # noqa: PTH106
    mount(None, "/", None, REMOUNT | BIND | RDONLY | NOSUID | NODEV)


def limit(limits: dict[str, int]) -> None:
    """Set the limits of the program and of all that it starts; give up all rights; die first."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> int:
    """Make the sandbox and run the program on standard input; its exit status."""
    settings = json.loads(sys.argv[1])
    try:
        isolate()
        enter(settings["root"], settings["visible"], settings["work_bytes"])
    except OSError as error:
        print(error, file=sys.stderr)
        return NOT_ISOLATED
    child = os.fork()  # the first process of the new process namespace: all others die with it
    if child == 0:
        try:
            limit(settings["limits"])
            python = [settings["python"], "-I", "-S", "-c", DRIVER]
            os.execve(python[0], python, {"HOME": "/box", "LANG": "C.UTF-8"})
        except OSError as error:
            print(error, file=sys.stderr)
            os._exit(NOT_ISOLATED)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


if __name__ == "__main__":
    sys.exit(main())
