"""What officials call the classes of bundled classifiers, beside the training data's own strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LABELS_VI: Final[Mapping[str, str]] = {
    "Chinh tri Xa hoi": "Chính trị – Xã hội",
    "Doi song": "Đời sống",
    "Khoa hoc": "Khoa học",
    "Kinh doanh": "Kinh doanh",
    "Phap luat": "Pháp luật",
    "Suc khoe": "Sức khỏe",
    "The gioi": "Thế giới",
    "The thao": "Thể thao",
    "Van hoa": "Văn hóa",
    "Vi tinh": "Vi tính",
    "negative": "Tiêu cực",
    "neutral": "Trung tính",
    "positive": "Tích cực",
}
