import pytest

from models.text.gaps import Codes, rows
from models.text.sentences import sentence_ends

CODES = Codes()


def sentences(text):
    row = rows([text], CODES)
    found, start = [], None
    for end, a, b, wall in zip(sentence_ends(row), row.starts, row.ends, row.kinds == 11, strict=True):
        if wall:
            continue
        start = a if start is None else start
        if end:
            found.append(text[start:b])
            start = None
    assert start is None
    return found


@pytest.mark.parametrize(
    "parts",
    [
        ["Bộ Y tế họp.", "Dịch đã giảm!", "Vì sao?", "Chưa rõ..."],
        ["Ông Nguyễn Văn A. nói tại TP. Hồ Chí Minh.", "Mọi người nghe."],
        ["Giá là 1.234,5 đồng.", "5 người mua."],
        ["“Tôi đồng ý.”", "Ông nói."],
        ["Ông hỏi: “Thế à?” rồi đi.", "Sau đó về."],
        ["Theo Nghị định 142/2026/NĐ-CP ngày 1.4.2026 thì được... nhưng chưa làm.", "Hết."],
        ["1. Phạm vi điều chỉnh của luật.", "2. Đối tượng."],
        ["Xem https://moh.gov.vn/tin.html.", "Cảm ơn."],
        ["GS.TS. Trần Văn B dạy ở ĐH. Y Hà Nội.", "Ông nghỉ."],
        ["Thật sao?!", "Không!"],
        ['Ông nói : " Tôi đồng ý . "', "Mọi người về ."],
        ["Ông nghỉ .", '" Tôi mệt " , ông nói .'],
        ['"Thế à?", ông hỏi.', "Chị cười."],
        ['"Mệt quá!" - chị nói.', "Ông im."],
    ],
)
def test_sentences_on_one_line_are_told_apart(parts):
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc", 2),
        ("Điều 5. Phạm vi điều chỉnh\nLuật này quy định về đất đai.", 2),
        ("Chương II. Quy định chung", 1),
        ("dòng bị ngắt ở giữa\nvì hẹp quá.", 1),
        ("gồm:\na) phòng bệnh;\nb) chữa bệnh.", 3),
        ("Đoạn một.\n\n\nĐoạn hai.", 2),
        ("Xong.Tôi về.", 2),
        ("một câu không có dấu kết", 1),
        ("", 0),
        (" \n ", 0),
        ("...", 1),
    ],
)
def test_lines_headings_and_items_end_where_a_reader_ends_them(text, parts):
    assert len(sentences(text)) == parts


def test_a_text_never_goes_on_into_the_next():
    row = rows(["chưa xong", "vẫn nói"], CODES)
    ends = row.ends[sentence_ends(row)].tolist()
    assert ends == [9, 7]
