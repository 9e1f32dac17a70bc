"""What a partition must look like: the pipeline's expectations, run by Great Expectations.

``suite``    runs ``BATCH`` and ``ROWS`` of expectations.py on a frame; the one module that touches GX
``sieve``    sets rows aside with their reasons: wrong interval, no key, duplicates, failed expectations
``verdict``  both together: is the partition refused, and why
``page``     the Data Docs page of one validation: small, escaped, self-contained
"""

import logging

# GX logs hundreds of lines while it is imported, and more per run; this stands before its import.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
