import pytest

from models.tables.headings import Context, understand
from models.tables.periods import Period

CONTEXT = Context("Xuất khẩu", Period("M", 2006, 7), Period("Y", 2006), ("Nghìn tấn", "Triệu USD"))


@pytest.mark.parametrize(
    ("heading", "period", "measure", "unit", "series"),
    [
        ("Thực hiện (Tỷ đồng) 6 tháng năm 2006", "2006-06", "ytd", "Tỷ đồng", ""),
        ("Ước tính tháng 7 năm 2006 Lượng", "2006-07", "flow", "Nghìn tấn", "Lượng"),
        ("Cộng dồn 7 tháng đầu năm 2006 Trị giá", "2006-07", "ytd", "Triệu USD", "Trị giá"),
        ("Tháng 7 năm 2006 so với tháng 7 năm 2005 (%)", "2006-07", "index_same_period", "%", ""),
        (
            "7 tháng năm 2006 so với cùng kỳ năm 2005 (%) Trị giá",
            "2006-07",
            "index_same_period",
            "%",
            "Trị giá (cộng dồn)",
        ),
        ("Tháng 7/2006 so với tháng 6/2006", "2006-07", "index_prev", "%", ""),
        ("Tháng 7 năm 2006 so với (%): Kỳ gốc (2000)", "2006-07", "rate", "%", "so với kỳ gốc 2000"),
        ("Tháng 7 năm 2006 so với (%): Tháng 12 năm 2005", "2006-07", "rate", "%", "so với tháng 12 năm trước"),
        ("Thực hiện cùng kỳ năm trước", "2005-07", "flow", None, ""),
        ("Thực hiện kỳ này so với cùng kỳ năm trước (%)", "2006-07", "index_same_period", "%", ""),
        ("Tỷ lệ so với cùng kỳ năm trước (%) Ước tính năm 2006", "2006", "index_same_period", "%", None),
        ("Thực hiện so với kế hoạch năm 2006 (%) Tháng 12 năm 2006", "2006-12", "rate", "%", "so với kế hoạch"),
        ("Cơ cấu (%)", "2006-07", "rate", "%", "Cơ cấu"),
        ("Năm 2006 so với năm 2005 (%)", "2006", "index_same_period", "%", ""),
        ("Quý IV năm 2016 so với: Quý III năm 2016", "2016-Q4", "index_prev", "%", ""),
    ],
)
def test_a_heading_is_understood(heading, period, measure, unit, series):
    found = understand(heading, CONTEXT)
    assert (found.period.name, found.measure, found.unit) == (period, measure, unit)
    assert series is None or found.series == series


def test_a_heading_without_a_year_stays_open():
    found = understand("Tháng 3", Context("", None, None, ()))
    assert found.own
    assert found.period.name is None


def test_what_a_title_compares_with_holds_for_its_columns():
    context = Context("Chỉ số giá các tháng năm 2006", None, Period("Y", 2006), ("%",), "tháng 12 năm 2005")
    found = understand("Chỉ số giá vàng", context)
    assert found.measure == "rate"


def test_the_revision_is_kept():
    assert understand("Ước tính tháng 7 năm 2006", CONTEXT).revision == "estimate"
    assert understand("Chính thức tháng 6 năm 2006", CONTEXT).revision == "final"


def test_a_difference_in_units_is_no_index_and_is_asked_about():
    found = understand("Tăng/giảm so với vụ đông xuân 2013 Sản lượng (Nghìn tấn)", CONTEXT)
    assert (found.measure, found.unit) == (None, "Nghìn tấn")
    assert "tăng, giảm" in found.series


def test_a_comparison_may_be_written_without_a_space():
    found = understand("4 tháng năm 2001so với 4 tháng năm 2000 (%)", CONTEXT)
    assert (found.period.name, found.measure) == ("2001-04", "index_same_period")
