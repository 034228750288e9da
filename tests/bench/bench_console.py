"""Pages of the console with a thousand models, fifty of them in review: server time and size of each.

python -m tests.bench.bench_console
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from services.actors import actor_of
from tests.services.console.drafts import draft
from tests.services.console.test_console import Desk
from tests.services.wire.small import small_house

MODELS = 1_000
IN_REVIEW = 50
ROUNDS = 7
AIM_MS = 300.0
AIM_BYTES = 150_000
VERSION = "/console/models/model-0000/1.0.0"
PAGES = (
    ("reviewer", "/console"), ("engineer", "/console"), ("engineer", "/console?page=40"), ("operator", "/console"),
    ("reviewer", "/console/models"), ("reviewer", "/console/models?page=20"), ("reviewer", "/console/models?q=chu+de"),
    ("reviewer", VERSION), ("reviewer", f"{VERSION}/card"), ("reviewer", f"{VERSION}/card?show=remarkable"),
    ("reviewer", f"{VERSION}/card/evaluation.metrics"), ("reviewer", f"{VERSION}/evaluation"),
    ("reviewer", f"{VERSION}/bias"), ("reviewer", f"{VERSION}/changes?against=2.0.0"),
)  # fmt: skip


def furnish(home: Path) -> Desk:
    """A house with a thousand models of one engineer."""
    place = small_house(home)
    store, house = place.house.store, place.house
    engineer = house.identity.authenticate(f"Bearer {place.keys['engineer']}")
    about = {"author": engineer.subject.id, "tenant": engineer.tenant}
    for number in range(MODELS):
        entry = draft(store, home / "drafts", f"model-{number:04}", "1.0.0", light=True, **about)
        if number < IN_REVIEW:
            house.reviews.submit(actor_of(engineer), entry)
    draft(store, home / "drafts", "model-0000", "2.0.0", light=True, **about)
    house.handles.refresh()
    return Desk(place)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        desk = furnish(Path(folder) / "home")
        print(f"{MODELS} models, {IN_REVIEW} in review, made in {time.perf_counter() - started:.0f} s")
        worst = heaviest = 0.0
        for who, path in PAGES:
            desk.csrf(who)
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                answer = desk.get(path, who)
                times.append((time.perf_counter() - started) * 1e3)
            assert answer.status_code == 200, (path, answer.status_code)
            worst, heaviest = max(worst, times[0], *times), max(heaviest, len(answer.content))
            row = f"{min(times):6.1f} ms best {sorted(times)[ROUNDS // 2]:6.1f} median {times[0]:6.1f} first"
            print(f"{row} {len(answer.content) / 1e3:6.1f} kB  {who} {path}")
        print(f"worst {worst:.0f} ms (aim {AIM_MS:.0f}), heaviest {heaviest / 1e3:.0f} kB (aim {AIM_BYTES / 1e3:.0f})")
        desk.place.close()


if __name__ == "__main__":
    main()
