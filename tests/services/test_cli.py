"""The command line: the operator's commands on a home, the caller's against a house over a real socket."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import UnauthenticatedError
from registry.checkpoints import Checkpointer
from registry.database import Database
from registry.founding import found
from registry.ledger import Ledger
from registry.signatures import Signer
from services.cli import COMMANDS, main
from services.cli_predict import read_series
from services.doctor import examine
from services.evaluation import read_keys
from services.identity import Identity
from services.keys import PATTERN
from services.settings import Settings
from tests.services.wire.small import Place

Run = Callable[..., "Ended"]


class Ended:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `aichung …` in this process."""

    def command(*arguments: str, home: Path | None = None) -> Ended:
        if home is not None:
            monkeypatch.setenv("AICHUNG_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["aichung", *arguments])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Ended(code, told.out, told.err)

    return command


class TestTheTable:
    def test_help_names_every_command_and_imports_none(self) -> None:
        script = (
            "import sys; sys.argv = ['aichung', '--help']\n"
            "from services.cli import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "print([name for name in ('sqlalchemy', 'httpx', 'ray', 'services.cli_keys') if name in sys.modules])"
        )
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == "[]"
        assert all(name in ended.stdout for name in COMMANDS)

    def test_an_unknown_command_is_told(self, run: Run) -> None:
        assert run("kyes").code == 2

    def test_keys_never_import_ray_or_tracking(self) -> None:
        script = "import sys, services.cli_keys; print([n for n in ('ray', 'mlflow', 'pandas') if n in sys.modules])"
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == "[]"


class TestKeysOnThisMachine:
    def test_a_key_is_issued_listed_rotated_and_revoked(
        self, run: Run, home: Path, database: Database, identity: Identity
    ) -> None:
        made = run("keys", "create", "Một cửa", "--tenant", "75", "--scope", "predict", home=home)
        assert PATTERN.fullmatch(made.out.strip())
        identity.refresh()
        caller = identity.authenticate(None, made.out.strip())
        assert caller.organisation.code == "75"
        assert caller.scopes == {"predict"}
        rows = [json.loads(line) for line in run("keys", "list", "--json").out.splitlines()]
        assert [row["subject"] for row in rows if row["id"] == caller.key_id] == ["Một cửa"]
        successor = run("keys", "rotate", caller.key_id, "--overlap", "0")
        assert PATTERN.fullmatch(successor.out.strip())
        assert run("keys", "revoke", caller.key_id).code == 0
        identity.refresh()
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(None, made.out.strip())

    def test_every_change_is_in_the_ledger_without_names(self, run: Run, home: Path, database: Database) -> None:
        run("keys", "create", "Nguyễn Văn A", "--kind", "person", "--role", "tech_reviewer", home=home)
        with database.read() as connection:
            query = "select record from ledger where event = 'admin.key.create'"
            record = json.loads(connection.exec_driver_sql(query).scalar_one())
        assert record["actor"]["id"] == "local-operator"
        assert "Nguyễn" not in json.dumps(record, ensure_ascii=False)

    def test_lost_evaluation_keys_are_issued_anew(self, run: Run, home: Path, evaluation: dict[str, str]) -> None:
        (home / "keys.json").unlink()
        ended = run("keys", "reissue", home=home)
        assert str(home / "keys.json") in ended.out
        assert set(read_keys(home)) == set(evaluation)
        assert not set(read_keys(home).values()) & set(evaluation.values())

    @pytest.mark.parametrize(
        "wrong",
        [["--role", "emperor"], ["--kind", "robot"], ["--tenant", "nowhere"], ["--expires", "tomorrow"],
         ["--expires", "2001-01-01"], ["--scope", "all"]],
    )  # fmt: skip
    def test_a_bad_wish_is_told_in_both_languages(self, run: Run, home: Path, wrong: list[str]) -> None:
        ended = run("keys", "create", "x", *wrong, home=home)
        assert ended.code == 1
        assert ended.err.startswith("✗ ")
        assert 2 <= len(ended.err.splitlines()) <= 3  # the word, its English, the place of the fault

    def test_without_an_installation_there_is_a_clear_word_and_nothing_is_created(
        self, run: Run, tmp_path: Path
    ) -> None:
        ended = run("keys", "list", home=tmp_path / "nothing")
        assert ended.code == 1
        assert "make serve" in ended.err
        assert not (tmp_path / "nothing").exists()

    def test_tenants_are_entered_and_listed(self, run: Run, home: Path) -> None:
        made = run("tenants", "create", "26041", "Phường Trấn Biên", "--level", "commune", "--parent", "75", home=home)
        assert made.code == 0, made.err
        rows = [json.loads(line) for line in run("tenants", "list", "--json").out.splitlines()]
        assert [row["name"] for row in rows if row["id"] == made.out.strip()] == ["Phường Trấn Biên"]
        assert run("tenants", "create", "26041", "X", "--level", "commune").code == 1
        assert run("tenants", "create", "1", "X", "--level", "village").code == 1


@pytest.fixture
def recorded(home: Path, database: Database) -> Path:
    """A home whose ledger has records under a signed checkpoint."""
    ledger = Ledger(database, "test-1")
    ledger.start()
    for number in range(5):
        ledger.note({"event": "test", "number": number})
    ledger.close()
    signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
    Checkpointer(database, home / "checkpoints", signer).write()
    return home


def tamper(home: Path) -> None:
    with sqlite3.connect(home / "aichung.db") as connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {name}")
        connection.execute("update ledger set record = replace(record, '\"number\":2', '\"number\":9')")
    connection.close()


class TestVerification:
    def test_an_intact_ledger_says_what_is_covered(self, run: Run, recorded: Path) -> None:
        ended = run("audit", "verify", home=recorded)
        assert ended.code == 0
        assert "INTACT" in ended.out
        assert json.loads(run("audit", "verify", "--json").out)["covered"] == 7

    def test_an_edit_ends_with_code_1_and_names_the_first_bad_record(self, run: Run, recorded: Path) -> None:
        tamper(recorded)
        ended = run("audit", "verify", home=recorded)
        assert ended.code == 1
        assert "record 4" in ended.out

    def test_a_ledger_elsewhere_is_verified_with_the_key_alone(self, run: Run, recorded: Path, tmp_path: Path) -> None:
        ended = run(
            "audit", "verify", "--database", str(recorded / "aichung.db"),
            "--checkpoints", str(recorded / "checkpoints"),
            "--public-key", str(recorded / "keys" / "checkpoint.key.pub"), home=tmp_path / "elsewhere",
        )  # fmt: skip
        assert ended.code == 0, ended.err


class TestTheDoctor:
    def levels(self, settings: Settings) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for finding in examine(settings):
            found.setdefault(finding.check, set()).add(finding.level)
        return found

    def test_a_sound_installation_has_no_fault(self, recorded: Path) -> None:
        levels = self.levels(Settings(home=recorded, http_port=28_713))
        assert levels["database"] == levels["keys"] == levels["ledger"] == levels["clock"] == {"ok"}

    def test_what_is_wrong_is_found(self, recorded: Path, run: Run) -> None:
        tamper(recorded)
        (recorded / "keys.json").unlink()
        levels = self.levels(Settings(home=recorded, http_port=28_713))
        assert levels["ledger"] == {"fault"}
        assert "warning" in levels["keys"]
        assert run("doctor", home=recorded).code == 1

    def test_a_missing_database_is_a_fault_and_none_is_created(self, recorded: Path) -> None:
        (recorded / "aichung.db").unlink()
        assert "fault" in self.levels(Settings(home=recorded))["database"]
        assert not (recorded / "aichung.db").exists()

    def test_a_lost_pepper_is_a_fault(self, recorded: Path) -> None:
        (recorded / "keys" / "pepper").unlink()
        assert "fault" in self.levels(Settings(home=recorded))["database"]

    def test_a_new_machine_is_fine(self, tmp_path: Path) -> None:
        assert self.levels(Settings(home=tmp_path / "new"))["database"] == {"ok"}

    def test_production_without_keys_is_a_warning(self, tmp_path: Path, installation: Path) -> None:
        found(f"sqlite:///{tmp_path / 'aichung.db'}").close()
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "pepper").write_bytes(bytes(32))
        assert self.levels(Settings(home=tmp_path))["keys"] == {"warning"}


class TestCalls:
    @pytest.fixture
    def call(self, run: Run, place: Place, address: str, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Run a command against the house, with the keys of its home."""
        monkeypatch.setenv("AICHUNG_URL", address)

        def command(*arguments: str) -> Ended:
            return run(*arguments, home=place.house.settings.home)

        return command

    def test_language(self, call: Run) -> None:
        ended = call("nlp", "segment", "xin chào", "bạn")
        assert ended.out.splitlines() == ["xin chào", "bạn"]
        assert "vi-segment@1.0.0" in ended.err
        assert call("nlp", "diacritics", "xin chao").out.strip() == "xin chào"
        assert "0.750" in call("nlp", "topics", "bóng đá").out
        body = json.loads(call("nlp", "segment", "xin", "--json").out)
        assert body["model"]["name"] == "vi-segment"

    def test_a_text_that_fails_ends_with_code_1(self, call: Run) -> None:
        ended = call("nlp", "segment", "xin", "poison")
        assert ended.code == 1
        assert ended.out.strip() == "xin"

    def test_series_from_a_file(self, call: Run, tmp_path: Path) -> None:
        file = tmp_path / "ca.csv"
        rows = [
            f"{2020 + month // 12}-{month % 12 + 1:02d},{month + 1},{'' if month == 3 else 5}" for month in range(24)
        ]
        file.write_text("tháng,ca,tử vong\n" + "\n".join(rows) + "\n", encoding="utf-8")
        ended = call("forecast", str(file), "-n", "2")
        assert ended.code == 0, ended.err
        assert "2022-01" in ended.out
        assert "tử vong" in ended.out
        assert call("anomalies", str(file)).code == 0

    def test_models_usage_and_log(self, call: Run, place: Place, tmp_path: Path) -> None:
        assert "vi-topic" in call("models", "list").out
        assert "vi-topic" in call("models", "card", "vi-topic", "1.0.0").out
        assert call("models", "card", "vi-topic", "1.0.0", "--format", "odt").code == 1
        call("nlp", "segment", "xin")
        place.records()
        assert "segment" in call("usage").out
        assert "log_drops" in call("usage", "--kpis", "--json").out
        assert "inference" in call("audit", "records", "--event", "inference").out
        line = json.loads(call("audit", "records", "--event", "inference", "--limit", "1", "--json").out)
        home = place.house.settings.home
        signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
        Checkpointer(place.house.database, home / "checkpoints", signer).write()
        bundle = tmp_path / "proof.json"
        assert call("audit", "prove", line["seq"], "-o", str(bundle)).code == 0
        assert "INTACT" in call("audit", "verify", "--bundle", str(bundle)).out
        bundle.write_text(bundle.read_text().replace('\\"status\\":200', '\\"status\\":201'))
        assert call("audit", "verify", "--bundle", str(bundle)).code == 1
        assert call("audit", "verify", "--bundle", str(tmp_path / "none.json")).code == 1

    def test_a_refusal_is_told_and_ends_with_code_1(self, call: Run) -> None:
        ended = call("models", "suspend", "vi-topic", "1.0.0", "--reason", "thử", "--as", "ministry")
        assert ended.code == 1
        assert "models:suspend" in ended.err

    def test_without_a_key_it_says_how_to_give_one(self, run: Run, address: str, tmp_path: Path) -> None:
        ended = run("nlp", "segment", "xin", "--url", address, home=tmp_path)
        assert ended.code == 1
        assert "AICHUNG_KEY" in ended.err


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("t,x\n2020-01,1.5\n2020-02,\n", [1.5, None]),
        ("t;x\n2020-01;1.234,5\n2020-02;-2\n", [1234.5, -2.0]),
        ("\ufefft,x\r\n2020-01,1e3\r\n\r\n2020-02,2\r\n", [1000.0, 2.0]),
    ],
)
def test_a_csv_file_is_read_as_spreadsheets_write_it(tmp_path: Path, text: str, values: list[Any]) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(text.encode())
    (series,) = read_series(file, "M")
    assert (series["name"], series["series"]) == ("x", values)
    assert series["timestamps"] == ["2020-01", "2020-02"]


@pytest.mark.parametrize("text", ["", "t,x\n", "t\n1\n", "t,x\n2020-01\n", "t,x\n2020-01,nhiều\n"])
def test_a_bad_csv_file_is_told(tmp_path: Path, run: Run, text: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text, encoding="utf-8")
    ended = run("forecast", str(file), "--key", "aic_x", home=tmp_path)
    assert ended.code == 1
    assert "✗" in ended.err
