import subprocess

from pipelines.provenance import UNKNOWN, code_commit, installed, provenance


def git(folder, *words):
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t.vn", *words], check=True)


def test_a_folder_without_git_says_unknown(tmp_path):
    assert code_commit(tmp_path) == UNKNOWN


def test_the_commit_is_named_and_a_changed_tree_is_marked(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text("A = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    clean = code_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "notes.txt").write_text("not code")
    assert code_commit(tmp_path) == clean
    (tmp_path / "models" / "a.py").write_text("A = 2\n")
    assert code_commit(tmp_path) == clean + "+changed"


def test_the_environment_is_named_by_its_packages():
    facts = provenance()
    assert facts.packages == len(installed()) > 50
    assert any(line.startswith("numpy==") for line in installed())
    assert facts.environment_digest == provenance().environment_digest
    assert facts.hardware.processors >= 1
    assert "CPU" in facts.hardware.sentence()
