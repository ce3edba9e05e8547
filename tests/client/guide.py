"""The examples of docs/integrators.md, as they stand there."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/integrators.md"


def blocks(language: str) -> list[str]:
    """The text of every block in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
