"""What a day of hours must look like. Bands are wide around what 2011 holds."""

from great_expectations import expectations as gxe

BATCH = [
    # An hour without a rental is missing from the data; on the day of a snowstorm 16 are.
    gxe.ExpectTableRowCountToBeBetween(min_value=6, max_value=24),
    gxe.ExpectColumnMeanToBeBetween(column="bikers", min_value=5, max_value=1000),
]

ROWS = [
    gxe.ExpectColumnValuesToBeBetween(column="bikers", min_value=0, max_value=5000),
    gxe.ExpectColumnValuesToBeBetween(column="hour", min_value=0, max_value=23),
    gxe.ExpectColumnValuesToBeBetween(column="temperature", min_value=0, max_value=1),
    gxe.ExpectColumnValuesToBeBetween(column="humidity", min_value=0, max_value=1),
]
