"""The loop's metrics for Prometheus, read from the ledger when Prometheus asks.

``history``    what is kept of one pipeline's events: counts, and the few events that the present rests on
``reader``     the histories of all pipelines, each scrape reading only what is new
``catalogue``  every metric by name, with its labels and what it means
``pipeline``   the present of one pipeline as samples of those metrics
``exporter``   one scrape as text
``server``     answers scrapes over HTTP; ``options`` how it is set up

A task that dies takes no metric with it, and an exporter that starts anew counts the same as before.
"""
