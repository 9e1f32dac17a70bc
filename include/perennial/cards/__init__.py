"""Cards: what a person must know of a model version or of a partition, on one page. Pure: given facts, they write.

``model_card``  purpose, data, metrics, gate, limits, lineage, approval, and how to undo it
``data_card``   source, schema, rows set aside, and how the partition compares with those before it
``profile``     what a partition's columns hold, counted once and kept beside its card
``page``        Markdown as an HTML page that stands on its own

Everything goes through ``markdown.text``; the page is rendered with HTML switched off.
"""
