"""What a week of hours must look like. Bands are wide around what 2011 holds."""

from great_expectations import expectations as gxe

BATCH = [
    # 136 to 168 hours: an hour without a rental is missing from the data.
    gxe.ExpectTableRowCountToBeBetween(min_value=100, max_value=168),
    gxe.ExpectColumnMeanToBeBetween(column="bikers", min_value=10, max_value=1000),
]

ROWS = [
    gxe.ExpectColumnValuesToBeBetween(column="bikers", min_value=0, max_value=5000),
    gxe.ExpectColumnValuesToBeBetween(column="hour", min_value=0, max_value=23),
    gxe.ExpectColumnValuesToBeBetween(column="temperature", min_value=0, max_value=1),
    gxe.ExpectColumnValuesToBeBetween(column="humidity", min_value=0, max_value=1),
]
