"""Models as objects and as files.

In the order in which a training run uses them::

    frames           Parquet partitions into one frame, with the labels apart
    estimators       a candidate of the spec into a scikit-learn pipeline, fitted
    metrics          every metric of a set of predictions
    model_file       the fitted pipeline into files and back: skops only, checked before it is parsed
    model_cache      verified copies of model files on this machine, for while MLflow is down
    canonical_skops  the same model always gives the same bytes
    behaviour        what the model file costs, and whether it predicts what the fitted model did
    plausibility     how much one feature alone tells, since a leak often stands alone
    predictions      predictions of the holdout, kept for a later rival
    plots            curves and permutation importance of the judged model
"""
