"""Merkle trees against RFC 6962's own recursive definition and its published test vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.merkle import EMPTY_ROOT, Frontier, inclusion_path, leaf_hash, node_hash, root_from_path, root_of

# Inputs and roots of the reference implementation (certificate-transparency, merkle_tree_test).
INPUTS = [bytes.fromhex(word) for word in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def defined_root(leaves: list[bytes]) -> bytes:
    """Section 2.1 of the RFC, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined_root(leaves[:split]), defined_root(leaves[split:]))


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(bytes([n % 256, n // 256])) for n in range(count)]


def test_the_roots_are_those_of_the_reference_implementation():
    assert root_of([]) == EMPTY_ROOT
    for count, root in ROOTS.items():
        assert root_of(leaf_hash(data) for data in INPUTS[:count]).hex() == root


@given(st.integers(0, 70))
def test_the_running_root_is_the_defined_root(count: int):
    assert root_of(leaves_of(count)) == defined_root(leaves_of(count))


@given(st.integers(1, 70), st.data())
def test_a_path_leads_from_each_leaf_to_the_root_and_from_no_other(count: int, data: st.DataObject):
    leaves = leaves_of(count)
    index = data.draw(st.integers(0, count - 1))
    path = inclusion_path(leaves, index)
    assert root_from_path(leaves[index], index, count, path) == root_of(leaves)
    assert root_from_path(leaf_hash(b"another"), index, count, path) != root_of(leaves)
    with pytest.raises(ValueError, match="path"):
        root_from_path(leaves[index], index, count, [*path, leaves[0]])


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_tree_goes_on_from_its_peaks(before: int, after: int):
    leaves = leaves_of(before + after)
    whole = Frontier()
    for leaf in leaves[:before]:
        whole.add(leaf)
    resumed = Frontier(whole.size, whole.peaks)
    for leaf in leaves[before:]:
        resumed.add(leaf)
    assert resumed.root() == root_of(leaves)


def test_peaks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="peaks"):
        Frontier(3, [bytes(32)])
