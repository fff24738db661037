"""flock as NFS has it: its locks are those of byte ranges, and ask for a descriptor that is open in the right way."""

import errno
import fcntl
import os


def flock(descriptor: int, operation: int) -> None:
    """`fcntl.flock` on a file of NFSv4.

    Closing any descriptor of a file ends the process's locks on it, and a process never stands in its own way: so it
    is with `lockf`, which is used here.

    Source: flock(2), "NFS details"; fcntl(2).
    """
    access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if operation & fcntl.LOCK_EX and access == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if operation & fcntl.LOCK_SH and access == os.O_WRONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    fcntl.lockf(descriptor, operation)
