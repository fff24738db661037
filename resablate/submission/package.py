"""The files that travel with a job."""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resablate.errors import SubmissionError
from resablate.submission.ray_private import travelling_files

LIMIT_BYTES = 100 * 2**20
"""What a dashboard takes in one request: its DASHBOARD_CLIENT_MAX_SIZE, which nobody but its owner can raise."""
ALWAYS = ("resablate", "pyproject.toml")
"""What a job needs besides its sweep file: the package, where the folder is its checkout."""
EXCLUDED = (
    # Of the package its code alone, of the sweeps the files that are some.
    *("/resablate/**/*.*", "!/resablate/**/*.py", "!/resablate/**/*.jinja", "/sweeps/**/*.*", "!/sweeps/**/*.y*ml"),
    *("venv", "__pycache__", "*.egg-info", "node_modules", "mlruns", "mlartifacts", "mlflow.db*", "optuna.db*"),
)
"""What never travels, in .gitignore's words, besides what .gitignore and .rayignore name and virtual environments."""
_KINDS = (
    *("env", "pem", "key", "p8", "p12", "pfx", "pk8", "pkcs12", "jks", "jceks", "bks", "keystore", "ppk", "gpg", "pgp"),
    *("asc", "kdb", "kdbx", "keytab", "keyring", "agekey", "ovpn", "tfstate", "tfvars", "publishsettings"),
)
"""Ends of the names of files that hold keys, or what a program keeps for itself alone."""
_WORDS = (
    *(
        "secret",
        "secrets",
        "credential",
        "credentials",
        "creds",
        "password",
        "passwords",
        "passwd",
        "pwd",
        "vault[-_]pass",
    ),
    *("passphrase", "passphrases", "token", "tokens"),
    *(
        f"{which}{between}{key}"
        for which in (
            "api",
            "access",
            "auth",
            "deploy",
            "encryption",
            "master",
            "private",
            "root",
            "secret",
            "signing",
            "ssh",
        )
        for between in ("[-_]", "")
        for key in ("key", "keys")
    ),
)
"""What a name ends with whose file holds what the word says."""
_AFTER_A_WORD = ("", "~", ".[!pP]*", ".[pP][!yY]*")
"""Any kind of file, but no source of a module that is called after it."""


def _in_any_case(pattern: str) -> str:
    """The pattern for names in small and in capital letters, which .gitignore's words tell apart."""
    parts = re.split(r"(\[[^]]*\])", pattern)
    return "".join(
        part if place % 2 else re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", part)
        for place, part in enumerate(parts)
    )


SECRETS = tuple(
    _in_any_case(pattern)
    for pattern in (
        ".?*",  # .env, .ssh, .aws, .kube, .docker, .git-credentials, .netrc, .pgpass, histories of shells, ...
        *(f"*.{kind}{copy}" for kind in _KINDS for copy in ("", "[.~_-]*")),
        *(
            "*.keychain*",
            "*id_rsa*",
            "*id_dsa*",
            "*id_ecdsa*",
            "*id_ed25519*",
            "ssh_host_*",
            "*kubeconfig*",
            "wg*.conf",
        ),
        *("netrc", "_netrc", "npmrc", "pypirc", "dotenv", "dotenv.*", "boto.cfg", "s3cfg", "my.cnf", "mylogin.cnf"),
        *(
            "rclone.conf",
            "pip.conf",
            "pgpass*",
            "*htpasswd*",
            "wallet.dat",
            "cookies.txt",
            "*cookies.sqlite",
            "*_history",
        ),
        *(
            "kaggle.json",
            "*service[-_]account*.json",
            "gha-creds-*.json",
            "*adminsdk*.json",
            "auth.json",
            "*oauth*.json",
        ),
        *("*.sql", "*.sql.*", "*.dump", "core.[0-9]*", "settings.xml", "*vault.y*ml", "*vault.json"),
        *("key.txt", "keys.txt", "key.json", "keys.json", "*[-_]key", "*[-_]key.json", "*[-_]keys.json"),
        *(f"*{word}{end}" for word in _WORDS for end in _AFTER_A_WORD),
        *("*client_secret*.json", "*credential*.json", "*secret*.json", "*secret*.y*ml"),
    )
)
"""Where people keep what nobody else may read; also inside what is named."""
_SHOWN_FILES = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of every file, the earliest that a zip file knows: the same content makes the same package."""
_ENTRY_BYTES = 30 + 46
"""Of a zip file for each of its files, besides twice the name."""


@dataclass(frozen=True)
class Package:
    """A zip file, by the name of its content."""

    file: Path
    digest: str
    files: tuple[str, ...]
    """Relative paths."""
    left_out: tuple[str, ...]
    """Relative paths of what was to be sent, and stays because of its name."""

    @property
    def size_bytes(self) -> int:
        """Of the zip file."""
        return self.file.stat().st_size


@contextmanager
def packed(folder: Path, *, names: Sequence[str]) -> Generator[Package]:
    """What a job needs of `folder`, as a zip file that is gone at the end.

    Args:
        folder: the job's working directory.
        names: relative paths of files and folders in it that travel besides those of ALWAYS, without what is excluded.

    Raises:
        SubmissionError: if it is more than a cluster takes, naming the largest files, a file cannot be read, or nothing
            of a name travels.
    """
    folder = folder.absolute()
    try:
        whole = _sizes(folder, names=(*ALWAYS, *names), excluded=EXCLUDED)
        sizes = _sizes(folder, names=(*ALWAYS, *names), excluded=(*EXCLUDED, *SECRETS))
        _check_names(names, sizes, folder)
        _check_size(sizes, folder)
        with tempfile.TemporaryDirectory(prefix="resablate-") as name:
            target = Path(name, "package.zip")
            with zipfile.ZipFile(target, "w") as file:
                for path in sizes:
                    entry = zipfile.ZipInfo(path, _EPOCH)
                    entry.external_attr = (folder / path).stat().st_mode << 16  # where zip files keep it
                    file.writestr(entry, (folder / path).read_bytes())
            digest = hashlib.sha256(target.read_bytes()).hexdigest()[:12]
            yield Package(target, digest, tuple(sizes), left_out=tuple(name for name in whole if name not in sizes))
    except OSError as error:
        raise SubmissionError(f"{error.filename or folder}: cannot be packed ({error.strerror or error})") from None


def _sizes(folder: Path, *, names: Sequence[str], excluded: Sequence[str]) -> Mapping[str, int]:
    """Relative path -> bytes of every file that travels, by Ray's own rules for a working directory."""
    environments = [f"/{mark.parent.relative_to(folder)}" for mark in folder.glob("*/pyvenv.cfg")]
    roots = [folder / name for name in names]
    travelling = travelling_files(folder, [*excluded, *environments])
    found = sorted(path for path in travelling if any(path.is_relative_to(root) for root in roots))
    if outside := [path for path in found if not path.resolve().is_relative_to(folder.resolve())]:
        raise SubmissionError(
            f"{outside[0].relative_to(folder)}: a link leads out of {folder}, to {outside[0].resolve()}; nothing from"
            " there travels: name the link in .gitignore or .rayignore, or put a copy in its place"
        )
    return {str(path.relative_to(folder)): path.stat().st_size for path in found if path.is_file()}


def _check_names(names: Sequence[str], sizes: Mapping[str, int], folder: Path) -> None:
    for name in names:
        if not any(Path(path).is_relative_to(name) for path in sizes):
            raise SubmissionError(
                f"{name}: is not among the files that are sent: it is not in the current folder ({folder}), or"
                " .gitignore or .rayignore names it, or its name is that of a secret"
            )


def _check_size(sizes: Mapping[str, int], folder: Path) -> None:
    total = sum(size + _ENTRY_BYTES + 2 * len(path.encode()) for path, size in sizes.items())
    if total <= LIMIT_BYTES:
        return
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN_FILES]
    raise SubmissionError(
        "\n".join(
            [
                f"{folder}: {_mib(total)} would be sent, and a Ray cluster takes at most {_mib(LIMIT_BYTES)}. Name what"
                " the sweep does not need in .gitignore or .rayignore; data sets lie on the nodes (RESABLATE_DATA)."
                " The largest files:",
                *(f"  {_mib(size):>10}  {path}" for path, size in largest),
            ]
        )
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
