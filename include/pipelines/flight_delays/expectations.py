"""What a week of flights must look like.

``BATCH`` is about the week as a whole: one failure and the week is not published.
``ROWS`` is about each flight: one that fails is set aside with the reason, up to
``data.quarantine_quota`` of pipeline.yaml. Bands were set from all 51 full weeks of 2013; the
measured range stands beside each, and the room around it is what another year may need. Column
names and types, missing keys and repeated ones need no expectation: ``data`` in pipeline.yaml
declares them, and the engine refuses or sets aside what differs.
"""

from great_expectations import expectations as gxe

AIRPORTS = ["EWR", "JFK", "LGA"]

BATCH = [
    # 5,157 (a week of February snow) to 6,596 arrived; half a week, or a week twice, is a broken delivery.
    gxe.ExpectTableRowCountToBeBetween(min_value=4500, max_value=8000),
    gxe.ExpectColumnDistinctValuesToEqualSet(column="origin", value_set=AIRPORTS),
    # 13 to 16 carriers; fewer means that some did not report.
    gxe.ExpectColumnUniqueValueCountToBeBetween(column="carrier", min_value=10, max_value=25),
    # Seven UTC days touch eight local dates.
    gxe.ExpectColumnUniqueValueCountToBeBetween(column="local_date", min_value=8, max_value=8),
    # 10.2 % to 46.0 % late. All or none late would be a label that was cut or shifted.
    gxe.ExpectColumnMeanToBeBetween(column="late", min_value=0.04, max_value=0.65),
    # Weather is missing for up to 2.5 % of a week's flights, the pressure for up to 28 %.
    gxe.ExpectColumnValuesToNotBeNull(column="temperature_f", mostly=0.90),
    gxe.ExpectColumnValuesToNotBeNull(column="wind_speed_mph", mostly=0.90),
    gxe.ExpectColumnValuesToNotBeNull(column="visibility_mi", mostly=0.90),
    gxe.ExpectColumnValuesToNotBeNull(column="pressure_mb", mostly=0.50),
    # Up to 18 % of flights have no plane on record (mostly AA and MQ).
    gxe.ExpectColumnValuesToNotBeNull(column="plane_seats", mostly=0.70),
]

ROWS = [
    *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in ("origin", "dest", "local_date", "hour", "late")),
    gxe.ExpectColumnValuesToBeInSet(column="late", value_set=[0, 1]),
    gxe.ExpectColumnValuesToBeInSet(column="origin", value_set=AIRPORTS),
    gxe.ExpectColumnValuesToBeBetween(column="hour", min_value=0, max_value=23),
    gxe.ExpectColumnValuesToBeBetween(column="minute", min_value=0, max_value=59),
    # 80 to 4,983 miles: Philadelphia to Honolulu.
    gxe.ExpectColumnValuesToBeBetween(column="distance_mi", min_value=50, max_value=6000),
    # The weather is that of the hour before: known at departure, or the future leaks in.
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A="scheduled_departure", column_B="weather_hour", ignore_row_if="either_value_is_missing"
    ),
    gxe.ExpectColumnValuesToBeBetween(column="temperature_f", min_value=-30, max_value=120),
    gxe.ExpectColumnValuesToBeBetween(column="humidity_pct", min_value=0, max_value=100),
    # The data hold one wind of 1,048 mph, an instrument's error; the highest real one is 43, the worst gust 67.
    gxe.ExpectColumnValuesToBeBetween(column="wind_speed_mph", min_value=0, max_value=150),
    gxe.ExpectColumnValuesToBeBetween(column="pressure_mb", min_value=940, max_value=1060),
    # A few tail numbers match a small private plane of the register (2 to 16 seats): not the airliner that flew.
    # JetBlue's Embraer 190 is on record with 20 seats, the smallest airliner there is.
    gxe.ExpectColumnValuesToBeBetween(column="plane_seats", min_value=19, max_value=600),
]
