"""`aichung doctor`: look for what may be wrong; exit code 1 when something is."""

from __future__ import annotations

from dataclasses import asdict

import typer

from services.cli_home import Home, settings_for
from services.cli_output import AsJson, show_json
from services.doctor import examine

app = typer.Typer(help="Kiểm tra | Check")
SIGNS = {"ok": "✓", "warning": "!", "fault": "✗"}


@app.command()
def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Kiểm tra máy và bản cài đặt | Check the machine and the installation."""
    findings = list(examine(settings_for(home)))
    for finding in findings:
        if as_json:
            show_json(asdict(finding))
        else:
            told = finding.vi if finding.vi == finding.en else f"{finding.vi} | {finding.en}"
            print(f"{SIGNS[finding.level]} {finding.check:<9} {told}")
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)
