"""The model server: predictions of the champion over HTTP, while the ledger says who that is.

A request passes through the modules in this order:

``access``     who may ask: a token, exact host names on loopback, bounded bodies
``request``    rows as the pipeline's spec declares them, or problems that name row, column, got and allowed
``split``      which rows the challenger answers: a share of the keys, always the same ones
``predict``    probabilities of champion and challenger
``recorder``   what was answered, into the prediction log that the monitor reads
``metrics``    what Prometheus reads

Beside them threads: ``follower`` looks at the ledger, has a new model tried (``trial``) and swaps; ``shadow`` asks the
challenger what nobody acts on; ``recorder`` writes. ``app`` wires the routes, ``server`` starts and stops all of it.
"""
