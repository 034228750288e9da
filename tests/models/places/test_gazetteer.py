from models.places.gazetteer import FORMER, REGIONS, parts, province, provinces, regions_of, successor, tiles


def test_sixty_three_units_became_thirty_four():
    assert len(provinces("63")) == 63
    assert len(provinces("34")) == 34
    merged = [unit.code for unit in provinces("34") if len(parts(unit.code)) > 1]
    assert len(merged) == 23
    assert sum(len(parts(unit.code)) for unit in provinces("34")) == 63


def test_a_code_is_read_with_its_vintage():
    assert province("15", "63").name == "Yên Bái"
    assert province("15", "34").name == "Lào Cai"
    assert province("28", "former").name == "Hà Tây"
    assert province("28", "63") is None
    assert successor("10") == successor("15") == "15"
    assert parts("79") == ("74", "77", "79")


def test_every_former_unit_leads_to_units_that_exist():
    known = {unit.code for unit in provinces("63")} | {unit.code for unit in FORMER}
    for unit in FORMER:
        assert unit.successors
        assert set(unit.successors) <= known


def test_the_six_regions_of_either_division_cover_it_once():
    six = {
        "63": ("dbsh", "tdmnpb", "btb-dhmt", "tay-nguyen", "dnb", "dbscl"),
        "34": ("dbsh", "tdmnpb", "btb", "dhntb-tn", "dnb", "dbscl"),
    }
    regions = {region.code: region for region in REGIONS}
    for vintage, codes in six.items():
        members = [code for name in codes for code in regions[name].members[vintage]]
        assert sorted(members) == [unit.code for unit in provinces(vintage)]
    assert [region.code for region in regions_of("79", "34")] == ["dnb"]


def test_the_map_shows_every_unit_and_both_archipelagos():
    for vintage in ("63", "34"):
        squares = tiles(vintage)
        assert len({(tile.column, tile.row) for tile in squares}) == len(squares)
        assert {tile.code for tile in squares if not tile.island} == {unit.code for unit in provinces(vintage)}
        islands = {tile.name: tile for tile in squares if tile.island}
        assert set(islands) == {"Hoàng Sa", "Trường Sa"}
        assert province(islands["Hoàng Sa"].code, vintage).name == "Đà Nẵng"
        assert province(islands["Trường Sa"].code, vintage).name == "Khánh Hòa"
        east = max(tile.column for tile in squares if not tile.island)
        assert all(tile.column > east for tile in islands.values())
