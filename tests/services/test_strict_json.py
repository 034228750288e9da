"""The strict JSON path: what it lets in, what it refuses, and that it never raises anything else or echoes."""

import gzip
import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInputError
from services.strict_json import Decoder, suspicious, unpack
from tests.costs import cpu_seconds


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    text: str = ""
    values: list[float | None] = []


class Body(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[Inner] = []
    horizon: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    mode: Literal["a", "b"] = "a"
    extra: dict[str, list[float]] = {}


class Free(msgspec.Struct, forbid_unknown_fields=True):
    any: Any = None


DECODER = Decoder(Body)
FREE = Decoder(Free)

REFUSED = [
    (b"", "empty-body", ""),
    (b"  \n", "empty-body", ""),
    (b"{", "malformed-json", ""),
    (b"[1", "malformed-json", ""),
    (b'{"horizon":1}x', "malformed-json", ""),
    (b'{"horizon":1}{"horizon":1}', "malformed-json", ""),
    (b'\xef\xbb\xbf{"horizon":1}', "malformed-json", ""),
    (b'{"horizon":01}', "malformed-json", ""),
    (b"{'horizon':1}", "malformed-json", ""),
    (b'{"horizon":1,}', "malformed-json", ""),
    (b'{"horizon":1,"horizon":1}', "duplicate-key", "/horizon"),
    (b'{"horizon":1,"horizo\\u006e":1}', "duplicate-key", "/horizon"),
    (b'{"inputs":[{"text":"a"},{"text":"b" , "t\\u0065xt" : "c"}]}', "duplicate-key", "/inputs/1/text"),
    (b'{"mode":3,"horizon":1,"horizon":2}', "duplicate-key", "/horizon"),
    (b"[" * 100_000, "too-deep", ""),
    (b'{"inputs":' + b"[" * 100 + b"]" * 100 + b"}", "too-deep", ""),
    (b'{"inputs":[{"text":"a\\u0000"}]}', "nul-character", "/inputs/0/text"),
    (b'{"inputs":[{"text":"\\ud83d"}]}', "lone-surrogate", "/inputs/0/text"),
    (b'{"inputs":[{"text":"\\udc00"}]}', "lone-surrogate", "/inputs/0/text"),
    (b'{"inputs":[{"text":"\\ud83d\\ud83d\\ude00"}]}', "lone-surrogate", "/inputs/0/text"),
    (b'{"inputs":[{"text":"\\ud83dx\\ude00"}]}', "lone-surrogate", "/inputs/0/text"),
    (b'{"inputs":[{"text":"\xff"}]}', "not-utf-8", ""),
    (b'{"inputs":[{"text":"\xed\xa0\x80"}]}', "not-utf-8", ""),
    (b'{"inputs":[{"values":[1,2,NaN]}]}', "not-finite", "/inputs/0/values/2"),
    (b'{"inputs":[{"values":[-Infinity]}]}', "not-finite", "/inputs/0/values/0"),
    (b'{"inputs":[{"values":[1,1e999]}]}', "not-finite", "/inputs/0/values/1"),
    (b'{"horizon":' + b"9" * 400 + b"}", "wrong-value", "/horizon"),
    (b'{"horizon":' + b"9" * 40 + b"}", "wrong-value", "/horizon"),
    (b'{"horizon":0}', "wrong-value", "/horizon"),
    (b'{"horizon":"3"}', "wrong-value", "/horizon"),
    (b'{"horizon":true}', "wrong-value", "/horizon"),
    (b'{"horizon":1.0}', "wrong-value", "/horizon"),
    (b'{"inputs":[{"values":[1,"2"]}]}', "wrong-value", "/inputs/0/values/1"),
    (b'{"inputs":[{"values":[true]}]}', "wrong-value", "/inputs/0/values/0"),
    (b'{"mode":"zzsecret"}', "wrong-value", "/mode"),
    (b'{"zzsecret":1}', "unknown-field", ""),
    (b'{"inputs":[{"zzsecret":1}]}', "unknown-field", "/inputs/0"),
    (b'{"zzsecret - at `$.horizon`":1}', "unknown-field", ""),
    (b'{"extra":{"zzsecret":["zzsecret"]}}', "wrong-value", "/extra"),
    (b"[]", "wrong-value", ""),
    (b"null", "wrong-value", ""),
]


@pytest.mark.parametrize(("body", "word", "pointer"), REFUSED)
def test_a_bad_body_is_refused_with_its_word_and_place_and_no_echo(body, word, pointer):
    with pytest.raises(InvalidInputError) as caught:
        DECODER.decode(body)
    error = caught.value
    assert (error.word, error.faults[0].pointer) == (word, pointer)
    shown = json.dumps([error.note.vi, error.note.en, *[(f.pointer, f.vi, f.en) for f in error.faults]])
    assert "zzsecret" not in shown


def test_an_emoji_pair_and_an_escaped_backslash_before_u0000_are_text():
    assert DECODER.decode(b'{"inputs":[{"text":"\\ud83d\\ude00"}]}').inputs[0].text == "😀"
    assert DECODER.decode(b'{"inputs":[{"text":"\\\\u0000 {\\"a\\":1"}]}').inputs[0].text == '\\u0000 {"a":1'


def test_an_empty_body_is_an_empty_request_where_nothing_is_taken():
    assert Decoder(Body, empty_allowed=True).decode(b"").horizon == 1


def test_sixty_four_levels_pass_and_one_more_does_not():
    assert FREE.decode(b'{"any":' + b"[" * 63 + b"]" * 63 + b"}")
    with pytest.raises(InvalidInputError, match="deeper"):
        FREE.decode(b'{"any":' + b"[" * 64 + b"]" * 64 + b"}")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=6), below, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_json_loads_reads_is_read_the_same(value):
    refused: list[str] = []
    has_nul = "\\u0000" in json.dumps(value).replace("\\\\", "")
    for ascii_only in (True, False):
        body = json.dumps({"any": value}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        try:
            assert FREE.decode(body).any == json.loads(body)["any"]
            assert not has_nul
        except InvalidInputError as error:
            refused.append(error.word)
    assert set(refused) <= ({"nul-character"} if has_nul else {"lone-surrogate", "not-utf-8"})


PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b'"a"',
    b'"text":',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"1",
    b"NaN",
    b" ",
    b"\xff",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=30))
def test_no_bytes_whatever_raise_anything_but_invalid_input(pieces):
    body = b'{"inputs":[{"text":"' + b"".join(pieces)
    for attempt in (b"".join(pieces), body, body + b'"}]}'):
        for decoder in (DECODER, FREE):
            try:
                decoder.decode(attempt)
            except InvalidInputError:
                continue
            json.loads(attempt)  # what is let in is JSON


@given(JSON, st.text(max_size=4))
def test_every_duplicate_key_is_seen(value, key):
    one = json.dumps(key)
    other = "".join(f"\\u{unit:04x}" for unit in _utf16(key))
    text = f'[{{{one}:{json.dumps(value)},"x y":0,"{other}":1}}]'
    assert suspicious(text.encode())


def _utf16(text):
    data = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]


@pytest.mark.parametrize("piece", [b'{"a":1},', b'"', b"\\", b'\\"', b"[", b"NaN,", b"1,", b'"a":', b'"\\ud800",'])
def test_hostile_bodies_cost_no_more_a_byte_when_they_are_longer(piece):
    def refuse(size):
        with pytest.raises(InvalidInputError):
            DECODER.decode(b'{"inputs":[' + piece * (size // len(piece)))

    short = cpu_seconds(lambda: refuse(500_000), 5)
    assert cpu_seconds(lambda: refuse(8_000_000), 2) < 16 * 4 * short  # 256 times, were it quadratic


def test_gzip_is_unpacked_within_its_bounds():
    assert unpack(gzip.compress(b"{}" * 10), 100) == b"{}" * 10
    for data, word in [
        (gzip.compress(b"0" * 200), "too-large"),
        (gzip.compress(b"{}")[:-3], "malformed-gzip"),
        (gzip.compress(b"{}") + b"x", "malformed-gzip"),
        (b"nothing", "malformed-gzip"),
    ]:
        with pytest.raises(InvalidInputError) as caught:
            unpack(data, 100)
        assert caught.value.word == word
    with pytest.raises(InvalidInputError):
        unpack(gzip.compress(b" " * (30 << 20)), 32 << 20)
