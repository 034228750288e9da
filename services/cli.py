"""The command line: `aichung COMMAND …`.

Decision: a command names its module in the table below and the module is imported when the command is used: the
file is the unit of laziness, so `aichung keys` never waits for Ray and `aichung --help` waits for nothing.

Decision: what the machine's operator does to the installation itself (keys, tenants, verification, doctor) works on
its home without a running platform; what a caller does (predictions, models, usage) goes over HTTP like anybody's
call.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from models.errors import InvalidInputError, PlatformError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("services.cli_serve:app", "Chạy nền tảng | Run the platform"),
    "doctor": ("services.cli_doctor:app", "Kiểm tra máy và bản cài đặt | Check machine and installation"),
    "keys": ("services.cli_keys:app", "Khóa: cấp, liệt kê, thay, thu hồi | Keys: issue, list, rotate, revoke"),
    "tenants": ("services.cli_tenants:app", "Đơn vị: đăng ký, liệt kê | Organisations: enter, list"),
    "models": ("services.cli_models:app", "Mô hình: liệt kê, thẻ, dừng | Models: list, card, suspend"),
    "card": ("services.cli_publish:card_app", "Thẻ mô hình: kiểm tra | Model cards: check"),
    "publish": ("services.cli_publish:publish_app", "Đăng ký mô hình, hoặc thử tại máy | Register or try a model"),
    "files": ("services.cli_files:app", "Tệp và cách đọc | Files and how they are read"),
    "jobs": ("services.cli_jobs:app", "Công việc nền: giao, theo dõi, kết quả | Jobs: submit, watch, results"),
    "nlp": ("services.cli_predict:language", "Gọi tác vụ ngôn ngữ | Call a language task"),
    "forecast": ("services.cli_predict:forecasting", "Dự báo từ tệp CSV | Forecast a CSV file"),
    "anomalies": ("services.cli_predict:detection", "Tìm bất thường trong tệp CSV | Find anomalies in a CSV file"),
    "rows": ("services.cli_rows:app", "Tìm dòng bất thường trong bảng CSV | Find strange rows in a CSV table"),
    "audit": ("services.cli_audit:app", "Nhật ký: kiểm chứng, đọc, bằng chứng | Ledger: verify, read, prove"),
    "usage": ("services.cli_usage:app", "Mức sử dụng và chỉ số | Usage and figures"),
    "bias": ("services.cli_bias:app", "Báo cáo thiên lệch của một mô hình | A model's bias report"),
    "train": ("services.cli_train:app", "Huấn luyện một mô hình đi kèm | Train a bundled model"),
    "data": ("services.cli_data:app", "Danh mục dữ liệu | The data catalogue"),
    "backup": ("services.cli_backup:backup_app", "Sao lưu bản cài đặt | Back up the installation"),
    "restore": ("services.cli_backup:restore_app", "Phục hồi từ bản sao lưu | Restore from a backup"),
}
"""Command → (module:app, help in both languages)."""


class Commands(TyperGroup):
    """The group of all commands; each is imported when it is called, not when it is listed."""

    def __init__(self) -> None:
        listed: dict[str, Any] = {name: TyperCommand(name=name, help=text) for name, (_, text) in COMMANDS.items()}
        super().__init__(
            name="aichung",
            help="AI Chung: nền tảng AI dùng chung | the shared AI platform",
            commands=listed,
            no_args_is_help=True,
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, with its module imported."""
        name, listed, rest = super().resolve_command(ctx, args)
        if name is None or listed is None:
            return name, listed, rest
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: Any = typer.main.get_command(getattr(import_module(module), attribute))
        return name, command, rest


def main() -> None:
    """Run the command line; what the platform or the disk refuses is told in both languages, exit code 1."""
    try:
        Commands()(prog_name="aichung")
    except PlatformError as error:
        print(f"✗ {error.note.vi}", file=sys.stderr)
        if error.note.en != error.note.vi:
            print(f"  {error.note.en}", file=sys.stderr)
        for fault in error.faults if isinstance(error, InvalidInputError) else ():
            if fault.vi != error.note.vi:
                words = " | ".join(dict.fromkeys((fault.vi, fault.en)))
                print(f"  · {fault.pointer or '/'}: {words}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(f"✗ Không đọc hoặc ghi được{where}: {error.strerror or type(error).__name__}", file=sys.stderr)
        print(f"  Cannot read or write{where}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
