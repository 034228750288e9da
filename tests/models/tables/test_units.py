import pytest

from models.tables.units import bracketed_unit, is_unit, measure_of_title, measure_of_words, unit_list, without_unit


@pytest.mark.parametrize(
    "text", ["Nghìn ha", "Triệu HK.km", "%", "Tạ/ha", "Lượt người", "Tỷ kwh", "1000 tấn", "Nghỡn ha"]
)
def test_units_are_known(text):
    assert is_unit(text)


@pytest.mark.parametrize("text", ["Nam", "Lượng", "Trị giá", "Cá", "trừ máy móc, thiết bị", "tháng 7", ""])
def test_other_words_are_no_units(text):
    assert not is_unit(text)


def test_a_line_above_a_table_names_its_units():
    assert unit_list("Đơn vị tính: Nghìn tấn, triệu USD") == ["Nghìn tấn", "triệu USD"]
    assert unit_list("Nghìn tấn và Triệu USD") == ["Nghìn tấn", "Triệu USD"]
    assert unit_list("Đơn vị tính") == []
    assert unit_list("Tháng 7 năm 2006") == []


def test_a_unit_in_brackets_is_taken_out():
    assert bracketed_unit("Năng suất (Tạ/ha)") == "Tạ/ha"
    assert without_unit("Năng suất (Tạ/ha)") == "Năng suất"
    assert bracketed_unit("Xe máy (trừ phụ tùng)") is None


def test_words_tell_the_measure():
    assert measure_of_words("Tỷ lệ thất nghiệp") == "rate"
    assert measure_of_words("Dân số trung bình") == "stock"
    assert measure_of_words("Số dự án được cấp phép") == "flow"
    assert measure_of_words("Tốc độ tăng") == "change_pct"
    assert measure_of_words("Hà Nội") is None


def test_the_first_word_of_a_title_counts():
    assert measure_of_title("Diện tích, năng suất và sản lượng lúa") == "flow"
    assert measure_of_title("Tỷ lệ thất nghiệp của lực lượng lao động") == "rate"
