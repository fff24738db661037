"""The variables that a job gets: Ray shows them in the job's information, its logs and its processes' command lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resablate.errors import SubmissionError
from resablate.redaction import holds_password, redact
from resablate.versions import CODE_VERSION_VARIABLE, code_version

TRACKING, STUDIES, CHECKPOINTS = "MLFLOW_TRACKING_URI", "RESABLATE_STUDY_STORAGE", "RESABLATE_CHECKPOINTS"
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def job_environment(
    here: Mapping[str, str], *, tracking_uri: str | None = None, send: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Name -> value of what the job gets, and what the person should know about it, one line each.

    Args:
        here: this process's variables.
        tracking_uri: goes before `MLFLOW_TRACKING_URI`.
        send: names of variables that go as they are, secrets too.

    Raises:
        SubmissionError: if an address holds a password and is not in `send`, or a name in `send` is not set.
    """
    found = [f"--send {name}: no such variable is set here" for name in send if name not in here]
    given = dict(here) | ({TRACKING: tracking_uri} if tracking_uri else {})
    sent = {name: given[name] for name in (TRACKING, STUDIES, CHECKPOINTS) if given.get(name)}
    for name, value in sent.items():
        if holds_password(value) and name not in send:
            found.append(
                f"{name}: {redact(value)} holds a password, and a job's variables can be read by whoever may use the"
                " cluster. Leave it out of the address and set it on the head node (MLFLOW_TRACKING_USERNAME and"
                " MLFLOW_TRACKING_PASSWORD or ~/.mlflow/credentials; PGPASSWORD or ~/.pgpass), or accept that:"
                f" --send {name}"
            )
    if found:
        raise SubmissionError("\n".join(found))
    notes = [
        f"{name} goes as it is, to be read in the job's information, in Ray's logs and in the nodes' process lists"
        for name in send
    ]
    notes += [
        f"{name} is set here and not sent: the head node uses its own (or add --send {name})"
        for name in CREDENTIALS
        if here.get(name) and name not in send
    ]
    if TRACKING in sent:
        notes.append(f"records: {redact(sent[TRACKING])}, as the head node reaches it")
    else:
        notes.append("records: on the head node, in its $RESABLATE_HOME or ~/resablate; MLFLOW_TRACKING_URI is not set")
    return {**sent, **{name: given[name] for name in send}, CODE_VERSION_VARIABLE: code_version()}, notes
