"""From a file of data to a pipeline folder: ``new``. In this order:

``kinds``     finds the type of each column while the batches of the file pass
``profile``   what is known of the file after that: types, gaps, ranges, periods, and a bounded sample of rows
``refusals``  what no pipeline can be made of, with the reason
``goals``     the task: two classes, a number, counts, or many classes
``roles``     what each column is for: number, category, moment, or left out, and leaks
``periods``   the period, the window and the holdout
``baseline``  a quick fit over time, from which the first thresholds follow
``words``     the only way in which a name or value of the data gets into a file
``render``    the files, from ``templates/``
``run``       all of it; nothing is ever overwritten
"""

from include.perennial.scaffold.asked import Asked, Scaffolded
from include.perennial.scaffold.run import scaffold

__all__ = ["Asked", "Scaffolded", "scaffold"]
