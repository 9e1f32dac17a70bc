"""``python -m include.perennial.cli``."""

import sys

from include.perennial.cli.main import main

sys.exit(main())
