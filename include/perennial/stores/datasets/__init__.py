"""The data registry: which bytes each partition has, at which commit. Git + DVC.

A Git repository holds one file per partition, ``<pipeline>/<key>.parquet.dvc``; the bytes that
it names are in the DVC remote. A commit is a dataset version. Publishing goes through these in order::

    files -> commits

``registry`` ties the two together: publish, look up, fetch
``files``    DVC: bytes into and out of the remote, and a local cache of verified partitions
``commits``  Git: commits read and written without a checkout, in a local repository or behind any Git URL
             (``git_process`` runs Git)
``upkeep``   looks at the remote and the copies, and mends them
``entry``    what a ``.dvc`` file says of a partition
``lock``     one process at a time

The bytes are in the remote before a commit names them, and a reader hashes them again with
SHA-256: DVC's own md5 is checked neither when it pulls from S3 nor for a read-only cache file.
"""

from include.perennial.stores.datasets.registry import DataRegistry

__all__ = ["DataRegistry"]
