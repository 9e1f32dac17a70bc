"""What a week of flowers must look like: all 150 measures lie in the bands below."""

from great_expectations import expectations as gxe

BATCH = [gxe.ExpectTableRowCountToBeBetween(min_value=20, max_value=50)]

ROWS = [
    gxe.ExpectColumnValuesToBeInSet(column="species", value_set=["setosa", "versicolor", "virginica"]),
    *(
        gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0.05, max_value=10)
        for name in ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")
    ),
]
