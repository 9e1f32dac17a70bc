"""Models as objects and as files.

In the order in which a training run uses them::

    frames          Parquet partitions into one frame; features apart from the label
    estimators      a candidate of the spec into an unfitted scikit-learn pipeline
    plots           curves and permutation importance of the judged model
    behaviour       what the model file costs, and whether it predicts what the fitted model did
    model_file      the fitted pipeline into files and back: skops only, checked before it is parsed
    canonical_skops the same model always gives the same bytes
"""
