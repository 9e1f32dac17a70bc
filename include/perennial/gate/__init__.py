"""The gate: may this candidate become champion? Pure functions on arrays, no files and no network.

In the order in which data passes through::

    evidence   what is known about a candidate: labels, predictions, clusters, behaviour
    metrics    point estimates of the metrics that a spec may name
    bootstrap  how sure a difference to the champion is, when rows are not independent
    checks     numbers against thresholds, one ``Check`` each, no champion needed
    comparison the candidate against the champion over all rows; ``slices``: group by group
    judgement  checks into one verdict and one sentence

What measures does not decide: ``metrics`` and ``bootstrap`` know no threshold, and only
``judgement`` knows a verdict; ``wording`` is how numbers read. Whatever is missing or not a number fails its check.
"""
