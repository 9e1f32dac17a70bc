"""Reads the commands out of the documentation, so that tests run what users type."""

import re
from pathlib import Path

_FENCE = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def commands_of(page: Path) -> list[str]:
    """Every command line of the page's bash blocks, without comments."""
    lines = [line for block in _FENCE.findall(page.read_text()) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
