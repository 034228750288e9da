"""Write deploy/base/rayservice.yaml from deploy/serve.yaml, so that both carry one Serve configuration.

python deploy/render.py          write the file
python deploy/render.py --check  exit 1 when it is stale
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "rayservice.template.yaml"
TARGET = HERE / "base" / "rayservice.yaml"
SLOT = "    @SERVE_CONFIGURATION@\n"


def render() -> str:
    """The RayService with the Serve configuration indented into its place."""
    configuration = (HERE / "serve.yaml").read_text(encoding="utf-8")
    block = "".join(f"    {line}\n" if line else "\n" for line in configuration.splitlines())
    return TEMPLATE.read_text(encoding="utf-8").replace(SLOT, block)


def main() -> int:
    """Write or check."""
    text = render()
    if "--check" in sys.argv[1:]:
        return int(TARGET.read_text(encoding="utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
