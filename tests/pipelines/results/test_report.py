"""The page of a job: five items at most, nothing from outside, escaped, readable by all, one sheet of paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInputError
from pipelines.results.pictures import _INK, SHADES
from pipelines.results.report import AUDIENCES, POLICY, write_report
from pipelines.results.values import JobResult, SeriesResult
from tests.pipelines.results import making

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG = "Số ca mắc bệnh truyền nhiễm gây dịch phải báo cáo theo Thông tư số 54/2015/TT-BYT W " * 3


def page(result: JobResult, audience: str = "leader", language: str = "vi") -> str:
    return write_report(result, "html", audience, language).decode()


class Seen(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())


def test_a_leader_reads_at_most_five_items_and_all_that_he_must_know():
    text = page(making.job(making.yearbook()))
    seen = Seen(text).said
    assert text.count('<li class="item">') == 5
    for part in (
        "Số liệu đến tháng 12/2014", "Khi nào:", "Nghiêng về:", "Độ chắc:", "Cần kiểm tra:", "Nếu để vậy:",
        "Ai trả lời:", "Cùng lúc ở:", "Ô nguồn", "Kết quả do hệ thống AI đề xuất", "Thành phố Đồng Nai",
    ):  # fmt: skip
        assert part in seen, part
    foot = seen[seen.index("Mã báo cáo AIC-") :]
    for part in ("sha256:", "job_0123456789abcdef", "a" * 16, "anomaly-series@1.0.0", "c" * 16, "apr_1 bootstrap"):
        assert part in foot, part


def test_one_matter_of_many_places_is_told_once():
    seen = Seen(page(making.job([making.series(place) for place in making.PROVINCES]))).said
    assert seen.count("tăng vọt · mức 5/5") == 1
    assert "và 7 đơn vị khác" in seen


@pytest.mark.parametrize("year", [2009, 2022])
@pytest.mark.parametrize("audience", ["leader", "analyst"])
def test_the_map_always_shows_hoang_sa_and_truong_sa(year: int, audience: str):
    one = making.series("75")
    periods = making.months(72, year)
    moved = replace(one, periods=periods, output={**one.output, "events": [making.event(periods, 64, 240.0, 24.0)]})
    text = page(making.job([moved]), audience)
    picture = text[text.index('<svg class="map"') :]
    squares = re.findall(r"<g><title>([^<]*)</title>", picture[: picture.index("</svg>")])
    assert {"Hoàng Sa", "Trường Sa"} <= set(squares)
    assert len(squares) == (65 if year == 2009 else 36)
    assert "Đồng Nai: 5" in squares


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_page_asks_for_nothing_from_outside_and_its_policy_allows_its_style_alone(audience: str, language: str):
    text = page(making.job(making.yearbook()), audience, language)
    assert not re.search(
        r"(?i)<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import|https?://|\son\w+=|\sstyle=", text
    )
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in POLICY
    seen = Seen(text)
    assert ("html", "lang", language) in seen.attributes
    assert any(value == POLICY for _, _, value in seen.attributes)
    assert len(text.encode()) <= 150_000


def test_english_pages_hold_no_vietnamese_of_ours():
    text = page(making.job([making.series(None, "cases")], organisation=None), language="en")
    body = Seen(text[text.index("<body") :]).said
    assert not re.search("[ạảấầẩậắặẻẽếềểệỉịọỏốồộớờởợụủứừửựđ]", body.replace("Nien giam", "")), body


def test_pictures_have_a_title_and_a_description_and_ids_do_not_repeat():
    text = page(making.job(making.yearbook()))
    assert text.count("<svg ") == text.count('role="img" aria-labelledby="') == 6
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 12
    for named in re.findall(r'aria-labelledby="([^"]+)"', text):
        assert set(named.split()) <= set(ids)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_text_has_the_contrast_of_wcag_aa():
    on_white = ("#1c2126", "#454c52", "#7a1210", "#3d4348")
    pairs = [*((colour, "#ffffff") for colour in on_white), *zip(_INK, SHADES, strict=True)]
    pairs += [("#ffffff", ground) for ground in ("#7a1210", "#23527c", "#5b5f63")] + [("#1c2126", "#f7f3f2")]
    style = Path(__file__).resolve().parents[3] / "pipelines/results/pages/report.css"
    inks = set(re.findall(r"[{;]color:(#[0-9a-f]{3,6})", style.read_text(encoding="utf-8")))
    assert inks <= {*on_white, "#fff"}
    assert min(contrast(*pair) for pair in pairs) >= 4.5


# --- discretion ---------------------------------------------------------------------------------------------


def few(unit: str | None) -> SeriesResult:
    """Three cases where none were usual."""
    values = [0.0] * 71 + [3.0]
    one = making.series("75", "Bệnh hiếm", unit=unit)
    told = making.event(one.periods, 71, 3.0, 0.25, reason={"vi": "Ghi nhận 3 ca ở xã.", "en": "3 cases."}, open=True)
    points = {**one.output["points"], "expected": [0.25] * 72, "lower": [0.0] * 72, "upper": [1.0] * 72}
    return replace(one, values=tuple(values), output={"points": points, "events": [told]})


def test_small_counts_of_persons_are_protected_in_words_and_in_the_picture():
    text = page(making.job([few("ca")]))
    seen = Seen(text).said
    assert "Ghi nhận dưới 5" in seen
    assert "Ghi nhận 3" not in seen
    assert "cao nhất dưới 5 ca" in seen
    other = replace(few("ca"), values=(*[0.0] * 71, 2.0))
    drawn = [
        re.findall(r'class="line"|<polyline points="([^"]+)" class="line"', page(making.job([one])))
        for one in (few("ca"), other)
    ]
    assert drawn[0] == drawn[1]


def test_other_figures_and_the_analysts_page_are_told_as_they_are():
    assert "Ghi nhận 3 ca ở xã." in Seen(page(making.job([few("triệu đồng")]))).said
    assert "Ghi nhận dưới 5" in Seen(page(making.job([few(None)]))).said
    assert "Ghi nhận 3 ca ở xã." in Seen(page(making.job([few("ca")]), "analyst")).said
    assert "Ghi nhận 3" not in Seen(page(making.job([few("ca")]), "inspector")).said


# --- other readers, other types -----------------------------------------------------------------------------


def test_an_analyst_reads_every_event_with_its_cells():
    text = page(making.job(making.yearbook()), "analyst")
    assert text.count("<tr>") == 1 + 96
    assert "Sởi!F12" in text
    assert text.count('scope="col"') == 12
    failed = replace(making.series("01", "Dại"), output={}, error={"detail": "Chuỗi quá ngắn."})
    assert "Chuỗi quá ngắn." in page(making.job([failed]), "analyst")


def test_an_inspector_reads_where_everything_came_from():
    seen = Seen(page(making.job(making.yearbook()), "inspector")).said
    for part in (
        "a" * 64,
        "sha256:" + "c" * 64,
        "niên giám",
        "chữ TCVN3 đổi sang Unicode",
        "lấy từ tên tệp",
        "apr_1",
        "ev-64",
    ):
        assert part in seen, part


def test_all_pages_of_a_job_have_one_fingerprint():
    found = {
        re.findall(r"sha256:[0-9a-f]{64}", Seen(page(making.job(making.yearbook()), audience, language)).said)[-1]
        for audience in AUDIENCES
        for language in ("vi", "en")
    }
    assert len(found) == 1


def test_a_forecast_is_told_ahead():
    result = making.job([making.forecast(), making.forecast("01")], type="forecast", parameters={"horizon": 6})
    seen = Seen(page(result)).said
    assert "Tháng 1/2013 đến tháng 6/2013: trung bình khoảng 133 mỗi tháng, thấp hơn 6 %" in seen
    assert "Nghiêng về" not in seen
    assert '<svg class="spark"' in page(result)


def test_strange_rows_are_told_with_their_place():
    seen = Seen(page(making.job([making.rows()], type="anomaly.tabular", reading=None))).said
    assert "4 trong 40 dòng khác thường." in seen
    assert "dòng 5" in seen
    assert "số tiền (70 %)" in seen
    assert "Hồ sơ!A5" in seen


def test_nothing_found_is_said_plainly():
    seen = Seen(page(making.job([replace(making.series(), output={})]))).said
    assert "Không thấy điều gì bất thường trong 1 chuỗi số liệu đã xem." in seen


@pytest.mark.parametrize(
    ("form", "audience", "language"), [("pdf", "leader", "vi"), ("html", "king", "vi"), ("html", "leader", "fr")]
)
def test_what_is_not_offered_is_refused_with_what_is(form: str, audience: str, language: str):
    with pytest.raises(InvalidInputError) as refused:
        write_report(making.job(), form, audience, language)
    assert refused.value.word == "not-acceptable"
    assert any(word in refused.value.note.vi for word in ("html", "leader", "vi"))


# --- hostile text -------------------------------------------------------------------------------------------


HOSTILE = st.text(max_size=80) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]></svg><script>", "{{ 7*7 }}", "{% raw %}",
     "&lt;b&gt;", "\u202egnp.exe", "\x00\x1b[31m", "'-alert(1)-'", "--></style><script>"]
)  # fmt: skip
PLAIN = {audience: set(Seen(page(making.job(making.yearbook()), audience)).tags) for audience in AUDIENCES}


@settings(max_examples=80, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, st.sampled_from(AUDIENCES))
def test_no_text_of_a_file_becomes_markup(name: str, reason: str, source: str, audience: str):
    one = making.series("75", name, count=24, unit=reason)
    told = making.event(
        one.periods, 16, 240.0, 24.0, reason={"vi": reason}, steward=name, checks=[{"vi": source}], id=name
    )
    one = replace(one, cells=(source,) * 24, output={**one.output, "events": [told]}, place=name)
    result = making.job(
        [one], organisation=reason, source={"filename": name, "sha256": source}, parameters={name: reason},
        model={"name": name, "version": reason, "card": source}, approval={"id": reason, "kind": name},
    )  # fmt: skip
    seen = Seen(page(result, audience))
    assert set(seen.tags) <= PLAIN[audience] | {"svg", "details", "summary"}
    assert not [row for row in seen.attributes if row[1].startswith("on") or row[1] in ("style", "src", "href")]
    assert "\u202e" not in seen.said
    assert "\x00" not in seen.said


# --- paper --------------------------------------------------------------------------------------------------


def worst() -> Iterator[SeriesResult]:
    """Names, reasons, checks, stewards and units as long as a file can make them."""
    for name in "ABCDEF":
        for place in making.PROVINCES:
            one = making.series(place, f"{name} {LONG}", unit="nghìn tấn cá nước ngọt")
            told = {
                **one.output["events"][0], "reason": {"vi": f"{'W' * 30} {LONG}", "en": LONG}, "steward": LONG,
                "checks": [{"vi": LONG, "en": LONG}] * 3, "likely": "both", "open": True, "kind": "unit_change",
            }  # fmt: skip
            yield replace(one, output={**one.output, "events": [told]})


def pages_on_paper(text: str, folder: Path) -> int:
    """How many sheets a browser prints."""
    source, made = folder / "page.html", folder / "page.pdf"
    source.write_text(text, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}",
        f"--print-to-pdf={made}", "--no-pdf-header-footer", source.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    content = made.read_bytes()
    boxes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", content)}
    assert boxes in ({(0, 0, 595, 842)}, {(0, 0, 596, 842)}, {(0, 0, 842, 595)}, {(0, 0, 842, 596)})
    return len(re.findall(rb"/Type\s*/Page\b", content))


CASES = {
    "yearbook": lambda: making.job(making.yearbook()),
    "without places": lambda: making.job([making.series(None, name) for name in "ABCDEFG"]),
    "forecast": lambda: making.job([making.forecast(p, n) for n in "AB" for p in ("75", "01", "79")], type="forecast"),
    "rows": lambda: making.job([making.rows(200)], type="anomaly.tabular", reading=None),
    "worst": lambda: making.job(
        worst(), organisation=LONG, source={"filename": LONG, "sha256": "f" * 64},
        approval={"id": "apr_" + "x" * 60, "kind": "review", "valid_until": "2027-01-01"},
    ),
}  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("case", list(CASES))
def test_a_leaders_page_prints_on_one_a4_with_nothing_cut_off(case: str, tmp_path: Path):
    text = page(CASES[case]())
    uncut = re.sub(r"max-height:\d+mm;overflow:hidden", "color:inherit", text)
    assert uncut != text
    uncut = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", uncut)
    assert pages_on_paper(uncut, tmp_path) == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_style_of_a_page_passes_its_own_policy_and_print_is_one_page(tmp_path: Path):
    assert pages_on_paper(page(making.job(making.yearbook())), tmp_path) == 1
