"""What a partition must look like: the pipeline's expectations, run by Great Expectations.

``suite``    ``BATCH`` and ``ROWS`` of expectations.py, run on a frame; ``engine`` is one run of GX
``tally``    the same over a partition that comes block by block, with ``witness`` for what rows add up to
``sieve``    sets rows aside with their reasons: wrong interval, no key, duplicates, failed expectations
``repeated`` rows whose key has come before, without all keys in memory
``verdict``  all together: is the partition refused, and why; ``verdict_in_blocks`` of a large one
``page``     the Data Docs page of one validation: small, escaped, self-contained
"""

import logging

# GX logs hundreds of lines while it is imported, and more per run; this stands before its import.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
