"""Files of secrets, planted where people keep them: none of them travels with a job, however it is submitted."""

import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from resablate.commands import cli
from resablate.errors import SubmissionError
from resablate.submission import packed
from resablate.submission.package import EXCLUDED, SECRETS
from resablate.submission.ray_private import travelling_files
from tests.scheduling.tiny import BASE
from tests.submission.dashboards import Dashboard, dashboard, know_no_cluster

ROOT = Path(__file__).parents[2]
NAMES = """
.env .env.local .env.production prod.env .envrc .netrc _netrc .pgpass pgpass.conf .my.cnf .mylogin.cnf .git-credentials
.git/config .gitconfig .ssh/id_ed25519 .ssh/known_hosts id_rsa id_rsa.bak id_dsa id_ecdsa id_ed25519 server.pem
cluster-ca.pem tls.key cert.p12 cert.pfx store.jks my.keystore putty.ppk secring.gpg private.asc .gnupg/private-keys
krb5.keytab passwords.kdbx office.ovpn wg0.conf .aws/credentials aws_credentials .azure/accessTokens.json
.config/gcloud/credentials.db application_default_credentials.json service-account.json my-service_account.json
gha-creds-1f.json credentials credentials.json client_secret_1.apps.json .kube/config kubeconfig kubeconfig.yaml
.docker/config.json .dockercfg .dockerconfigjson .npmrc .yarnrc.yml .pypirc pip.conf .condarc .huggingface/token
.cache/huggingface/token .kaggle/kaggle.json kaggle.json .comet.config .mlflow/credentials .ray/auth_token auth_token
terraform.tfstate terraform.tfstate.backup prod.tfvars prod.tfvars.json .terraform/terraform.tfstate secrets/db
secrets/deep/er secret.yaml secrets.yaml secrets.json app-secrets.toml .streamlit/secrets.toml .vault-token
vault_pass.txt .vault_pass .htpasswd passwords.txt db_password token.txt tokens.json github_token api_key.txt apikey
htpasswd openai_api_key .s3cfg .boto rclone.conf .databrickscfg .password-store/x wallet.dat .bash_history .psql_history
psql_history cookies.txt cookies.sqlite .gem/credentials .cargo/credentials.toml settings.xml .sentryclirc .oci/config
dump.sql backup.sql.gz users.dump core.1234 .Renviron .vscode/settings.json .idea/dataSources.xml
.cluster/secrets/pgpass private_key private_key.der
PASSWORDS.txt Secrets.JSON ID_RSA Server.PEM Prod.ENV Kaggle.JSON accessKeys.csv my_accessKeys.csv TOKEN
api-key.txt api_keys.json apikeys.txt deploy_key deploy-key.txt ssh_host_rsa_key ssh_host_ed25519_key.bak my_id_ed25519
work_id_rsa key.p8 x.pem.old tls.key.bak tls.key~ server.pem-old prod.env.bak cert.p12.1 passphrase.txt passphrase~
boto.cfg rootkey.csv gcp-key.json service_key.json vault.yml group_vault.yaml dotenv dotenv.local azure.publishsettings
netrc npmrc pypirc my.cnf secrets.properties token.pickle credentials.plist passwords.pdf secret_key.txt encryption-key
master.key master_key signing_key.txt auth.json google-oauth-client.json firebase-adminsdk-1f.json my-secrets-prod.json
age.agekey keys.txt login.keyring pwd.txt
""".split()
PLACES = ["", "resablate", "resablate/tracking", "sweeps", "extras", "extras/deep"]
SECRET = "planted-0123456789"
CODE = ["resablate/__init__.py", "resablate/tracking/token.py", "resablate/report.md.jinja", "sweeps/tiny.yaml"]
HARMLESS = """
__init__.py deep/secret_sharing.py deep/api_keys.py deep/password.py deep/ssh.py table.json answer_key.csv keyboard.csv
model.keras monkey.png passes.csv secretary.txt tokenizer.json tokens_per_second.csv vocabulary.txt weights.pt
""".split()
EXTRAS = sorted(f"extras/{name}" for name in HARMLESS)
OTHER = ["notes.txt", "tests/test_x.py", "data/images.bin", "Makefile", "config.yaml", "sweeps/notes.txt", "venv/x.py"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with every name in every place, and no .gitignore that knows them."""
    work = tmp_path / "work"
    for place in PLACES:
        for name in NAMES:
            file = work / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(SECRET)
    for name in [*CODE, *EXTRAS, *OTHER]:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("x = 1\n")
    (work / "pyproject.toml").write_text("[project]\n")
    (work / "sweeps" / "tiny.yaml").write_text(
        yaml.safe_dump({"name": "tiny", "base": dict(BASE), "axes": {"seed": [0]}})
    )
    monkeypatch.chdir(work)
    know_no_cluster(monkeypatch, home=tmp_path)
    return work


def test_the_list_is_long_and_of_distinct_names() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 100


def test_none_travels_and_what_the_sweep_needs_does(folder: Path) -> None:
    with packed(folder, names=["sweeps/tiny.yaml"]) as package, zipfile.ZipFile(package.file) as file:
        assert sorted(file.namelist()) == sorted([*CODE, "pyproject.toml"])
        assert not [name for name in file.namelist() if SECRET.encode() in file.read(name)]
    with packed(folder, names=["sweeps/tiny.yaml", "extras"]) as package, zipfile.ZipFile(package.file) as file:
        assert sorted(file.namelist()) == sorted([*CODE, *EXTRAS, "pyproject.toml"])
        assert "extras/id_rsa" in package.left_out
        assert not [name for name in package.left_out if not name.startswith(("extras", "resablate"))]


@pytest.mark.parametrize("name", ["id_rsa", "secrets", "extras/secrets", ".env", "nowhere", "../work"])
def test_a_secret_is_not_sent_by_its_name_either(name: str, folder: Path) -> None:
    with (
        pytest.raises(SubmissionError, match=r"is not among the files that are sent"),
        packed(folder, names=["sweeps/tiny.yaml", name]),
    ):
        pass


def _uploaded(server: Dashboard) -> list[str]:
    [content] = [content for method, _, content in server.asked if method == "PUT"]
    assert SECRET.encode() not in content
    with zipfile.ZipFile(BytesIO(content)) as file:
        assert not [name for name in file.namelist() if SECRET.encode() in file.read(name)]
        return sorted(name for name in file.namelist() if not name.endswith("/"))


def test_the_command_uploads_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with dashboard({}) as server:
        words = ["submit", "sweeps/tiny.yaml", "--address", server.address, "--no-follow", "--include", "extras"]
        monkeypatch.setattr(sys, "argv", ["resablate", *words])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        assert _uploaded(server) == sorted([*CODE, *EXTRAS, "pyproject.toml"])
    said = capsys.readouterr().err
    assert "not sent, because of their names: extras/.Renviron, " in said
    assert " more\n" in said


def test_the_plain_line_of_the_readme_uploads_what_the_command_does(folder: Path) -> None:
    """Ray's own command, which knows .gitignore and .rayignore alone."""
    (folder / ".rayignore").write_text((ROOT / ".rayignore").read_text())
    with dashboard({}) as server:
        command = ["-m", "ray.scripts.scripts", "job", "submit", "--no-wait", "--address", server.address]
        done = subprocess.run(
            [sys.executable, *command, "--working-dir", ".", "--", "python", "-m", "resablate", "sweep", "x.yaml"],
            env=os.environ | {"RAY_API_SERVER_ADDRESS": server.address},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert [method for method, _, _ in server.asked].count("POST") == 1, done.stderr
        assert _uploaded(server) == sorted([*CODE, "pyproject.toml"])


def test_the_ignore_file_sends_of_this_repository_what_a_sweep_needs() -> None:
    lines = (ROOT / ".rayignore").read_text().splitlines()
    assert lines[-len(EXCLUDED + SECRETS) :] == [*EXCLUDED, *SECRETS]
    sent = [str(path.relative_to(ROOT)) for path in travelling_files(ROOT, []) if path.is_file()]
    tracked = subprocess.run(
        ["git", "ls-files", "resablate", "sweeps", "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sorted(sent) == sorted(set(tracked) - {"resablate/py.typed"}), "type checkers alone ask for that one"
