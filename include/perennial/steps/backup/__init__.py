"""Backup of everything that is recorded, and its restore on another machine or in another folder.

``layout``    which files and folders there are, where a stack of one machine has them
``manifest``  what a backup holds, by content
``save``      makes a backup while the loop goes on
``restore``   puts one into an empty home

Whatever names something is copied before what it names: the ledger and MLflow's database first, both while no one can
write to the ledger, then the data registry, then files. A step stores the bytes first and records them then, so that
all that is recorded in the copy is in the copy, with perhaps some files that nothing names yet.
"""

from include.perennial.steps.backup.manifest import Manifest
from include.perennial.steps.backup.restore import Restored, restore
from include.perennial.steps.backup.save import Saved, save

__all__ = ["Manifest", "Restored", "Saved", "restore", "save"]
