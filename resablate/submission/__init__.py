"""Sending a sweep to a Ray cluster as a job. Needs no torch: a laptop that submits has nothing to train."""

from resablate.submission.environment import job_environment as job_environment
from resablate.submission.following import exit_code as exit_code
from resablate.submission.following import follow as follow
from resablate.submission.job import Job as Job
from resablate.submission.job import submit_sweep as submit_sweep
from resablate.submission.package import Package as Package
from resablate.submission.package import packed as packed
from resablate.submission.server import connect as connect
from resablate.submission.server import stop_command as stop_command
