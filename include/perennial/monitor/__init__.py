"""Is the champion still right about the world? Measuring only; nothing here decides.

In this order data passes through:

``reference``    a seeded sample of the champion's training window, with predictions of rows a model had not seen
``calibration``  thresholds from that window by moving blocks, for the spec's false-alarm rate
``measure``      one scored partition against both: ``drift`` compares distributions, ``performance`` labels,
                 and the result is a ``measurement.Measurement``, without a verdict
``report``       the same comparison as an Evidently page, for people
``policy``       turns a series of measurements into at most one question for a retrain
"""
