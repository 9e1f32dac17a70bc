"""The page "Continuous training" in Airflow's navigation: read-only, behind Airflow's login and permissions.

``app``       routes, headers and error pages; imported by the first request only
``access``    which pipelines a user may see
``facts``     what Airflow alone knows: the next run, failed runs, tasks that wait for a person
``registry``  one line about MLflow, which the page needs for nothing else
``charts``    views as figures for plotly.js, drawn by ``static/page.js`` beside a table of the same numbers
``formats``   numbers, times and links as a person reads them
"""
