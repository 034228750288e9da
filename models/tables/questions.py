"""What is asked of the person who knows the file, and what only is told."""

from __future__ import annotations

from collections.abc import Sequence

from models.tables.grid import column_name
from models.tables.guess import Guess, headline
from models.tables.shape import Caution, Option, Question

MEASURES = (
    Option("flow", "Phát sinh trong kỳ (cộng được qua các kỳ)", "A flow: what happened within the period"),
    Option("stock", "Số có tại một thời điểm", "A stock: what there was at a moment"),
    Option("ytd", "Cộng dồn từ đầu năm", "Cumulative since January"),
    Option("rate", "Tỷ lệ, tỷ trọng, mức bình quân", "A rate, a share or a mean"),
)


def ask(guesses: Sequence[Guess], unread: Sequence[str]) -> tuple[Question, ...]:
    """The questions that stand open over all tables, and over sheets with figures in which no table was found."""
    asked: list[Question] = []
    asked += _years(guesses)
    asked += _periods(guesses)
    asked += _measures(guesses)
    asked += _unnamed(guesses)
    asked += _headless(guesses)
    asked += _unlabelled(guesses)
    asked += _written(guesses)
    asked += [_not_understood(at, sheet) for at, sheet in enumerate(unread)]
    return tuple(asked)


def warn(guesses: Sequence[Guess]) -> tuple[Caution, ...]:
    """What was decided and may be looked at."""
    told: list[Caution] = []
    swapped = [at for at, guess in enumerate(guesses) if guess.open.swapped]
    if swapped:
        where = _sheets(guesses, swapped)
        told.append(
            Caution("date_swapped", f"Ngày trong tiêu đề ở trang {where} bị đảo ngày và tháng, đã được sửa lại.",
                    f"Dates in headings on sheet {where} had day and month swapped; they were put right.")
        )  # fmt: skip
    if any(guess.open.abbreviated for guess in guesses):
        told.append(_abbreviation())
    return tuple(told)


def _abbreviation() -> Caution:
    return Caution(
        "abbreviation",
        "Tiêu đề cột M, C được hiểu là số mắc và số chết.",
        "The headings M and C were read as cases (mắc) and deaths (chết).",
    )


def _sheets(guesses: Sequence[Guess], tables: Sequence[int]) -> str:
    names = list(dict.fromkeys(guesses[at].table.sheet for at in tables))
    return ", ".join(f"«{name}»" for name in names[:3]) + (f", … ({len(names)})" if len(names) > 3 else "")


def _years(guesses: Sequence[Guess]) -> list[Question]:
    tables = [at for at, guess in enumerate(guesses) if guess.open.yearless]
    if not tables:
        return []
    where = _sheets(guesses, tables)
    return [
        Question("year", "year_unknown", f"Số liệu ở trang {where} là của năm nào? Tệp không ghi năm.",
                 f"Which year are the figures on sheet {where} of? The file does not say.", tables=tuple(tables))
    ]  # fmt: skip


def _periods(guesses: Sequence[Guess]) -> list[Question]:
    groups: dict[tuple[str | None, tuple[str, ...]], list[int]] = {}
    for at, guess in enumerate(guesses):
        if guess.open.undated:
            taken = next((c.period for c in guess.table.columns if c.index in guess.open.undated), None)
            names = tuple(f"{choice.name}" for choice in guess.open.choices if choice.name)
            groups.setdefault((taken, names), []).append(at)
    asked: list[Question] = []
    for (taken, names), tables in groups.items():
        where = _sheets(guesses, tables)
        options = tuple(Option(name, name, name) for name in dict.fromkeys([*([taken] if taken else []), *names]))
        asked.append(
            Question(f"period-{tables[0]}", "period_unknown",
                     f"Số liệu ở trang {where} là của kỳ nào? Tiêu đề bảng không nói rõ.",
                     f"Which period are the figures on sheet {where} of? The headings do not say.", options, taken,
                     tuple(tables))
        )  # fmt: skip
    return asked


def _measures(guesses: Sequence[Guess]) -> list[Question]:
    groups: dict[tuple[str, str], list[int]] = {}
    for at, guess in enumerate(guesses):
        if guess.open.unmeasured:
            measured = next(c.measure for c in guess.table.columns if c.index in guess.open.unmeasured)
            kept: str = measured or "flow"
            groups.setdefault((headline(guess.table.title) or guess.table.sheet, kept), []).append(at)
    asked: list[Question] = []
    for (title, kept), tables in groups.items():
        columns = guesses[tables[0]].open.unmeasured
        asked.append(
            Question(f"measure-{tables[0]}", "measure_unknown",
                     f"Các số ở bảng «{title}» là số phát sinh trong kỳ, số tại một thời điểm hay số cộng dồn?",
                     f"Are the figures of the table '{title}' flows, stocks or cumulative sums?", MEASURES, kept,
                     tuple(tables), tuple(columns))
        )  # fmt: skip
    return asked


def _unnamed(guesses: Sequence[Guess]) -> list[Question]:
    tables = [at for at, guess in enumerate(guesses) if guess.open.unnamed]
    if not tables:
        return []
    names = ", ".join(column_name(column) for column in guesses[tables[0]].open.unnamed[:5])
    where = _sheets(guesses, tables)
    return [
        Question("unnamed", "column_without_heading",
                 f"Cột {names} ở trang {where} có số nhưng không có tiêu đề. Có bỏ qua các cột như vậy không?",
                 f"Column {names} on sheet {where} holds figures but has no heading. Shall such columns be left out?",
                 (Option("ignore", "Bỏ qua", "Leave them out"), Option("value", "Là số liệu", "They are data")),
                 "ignore", tuple(tables), tuple(guesses[tables[0]].open.unnamed))
    ]  # fmt: skip


def _headless(guesses: Sequence[Guess]) -> list[Question]:
    tables = [at for at, guess in enumerate(guesses) if guess.open.headless]
    if not tables:
        return []
    where = _sheets(guesses, tables)
    return [
        Question("heading", "no_header", f"Bảng ở trang {where} không có tiêu đề cột. Các cột là gì?",
                 f"The table on sheet {where} has no headings. What are its columns?", (), None, tuple(tables))
    ]  # fmt: skip


def _unlabelled(guesses: Sequence[Guess]) -> list[Question]:
    tables = [at for at, guess in enumerate(guesses) if guess.open.unlabelled]
    if not tables:
        return []
    where = _sheets(guesses, tables)
    rows = ", ".join(str(row + 1) for row in guesses[tables[0]].open.unlabelled[:5])
    return [
        Question("unlabelled", "row_without_label",
                 f"Dòng {rows} ở trang {where} có số nhưng không có tên. Có bỏ qua các dòng như vậy không?",
                 f"Row {rows} on sheet {where} holds figures but has no label. Shall such rows be left out?",
                 (Option("ignore", "Bỏ qua", "Leave them out"), Option("value", "Là số liệu", "They are data")),
                 "ignore", tuple(tables))
    ]  # fmt: skip


def _not_understood(at: int, sheet: str) -> Question:
    return Question(
        f"sheet-{at}", "sheet_not_understood",
        f"Trang «{sheet}» có số nhưng không nhận ra bảng. Có bỏ qua trang này không?",
        f"The sheet '{sheet}' holds figures, but no table was recognised. Shall it be left out?",
        (Option("ignore", "Bỏ qua", "Leave it out"),), "ignore",
    )  # fmt: skip


def _written(guesses: Sequence[Guess]) -> list[Question]:
    """How numbers and dates are written, where a column leaves it open."""
    asked: list[Question] = []
    for at, guess in enumerate(guesses):
        sheet = guess.table.sheet
        if guess.open.unformed:
            names = ", ".join(column_name(column) for column in guess.open.unformed[:5])
            asked.append(
                Question(f"format-{at}", "number_format",
                         f"Ở cột {names} trang «{sheet}», 1.234 là một nghìn hai trăm ba mươi tư hay một phẩy hai?",
                         f"In column {names} of sheet '{sheet}', is 1.234 a thousand or a little more than one?",
                         (Option("1.234,5", "Dấu chấm ngăn hàng nghìn", "The point divides thousands"),
                          Option("1,234.5", "Dấu chấm là dấu thập phân", "The point is the decimal sign")),
                         "1.234,5", (at,), tuple(guess.open.unformed))
            )  # fmt: skip
        if guess.open.unordered:
            names = ", ".join(column_name(column) for column in guess.open.unordered)
            asked.append(
                Question(f"order-{at}", "date_order",
                         f"Ngày ở cột {names} trang «{sheet}» viết ngày trước hay tháng trước?",
                         f"Are the dates in column {names} of sheet '{sheet}' written day first or month first?",
                         (Option("dmy", "Ngày/tháng/năm", "Day first"), Option("mdy", "Tháng/ngày/năm", "Month first")),
                         "dmy", (at,), tuple(guess.open.unordered))
            )  # fmt: skip
    return asked
