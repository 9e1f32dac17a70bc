"""Write the tutorial's table: half a year of customers and whether they left within a month of signing up.

    python docs/tutorial_data.py customers.csv

The people are made up, the same in every run: who signs up for a cheap plan, calls support often and is new leaves
more often, and from week to week the mix of plans changes.
"""

import csv
import datetime as dt
import math
import random
import sys

N_CUSTOMERS, N_DAYS = 9000, 182
FIRST_DAY = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
PLANS = {"basic": 0.9, "family": -0.2, "pro": -0.9}
COLUMNS = ("customer_id", "signup_date", "plan", "country", "age", "support_calls", "monthly_fee", "churned")


def main(path: str) -> None:
    """Write the CSV."""
    chance = random.Random(2024)  # noqa: S311 - made-up people, not a secret
    moments = sorted(chance.uniform(0, N_DAYS * 86_400) for _ in range(N_CUSTOMERS))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n, seconds in enumerate(moments):
            writer.writerow(_customer(n, seconds, chance))


def _customer(n: int, seconds: float, chance: random.Random) -> list[object]:
    share_of_basic = 0.4 + 0.2 * seconds / (N_DAYS * 86_400)
    plan = "basic" if chance.random() < share_of_basic else chance.choice(("family", "pro"))
    age, calls = round(chance.gauss(42, 13)), min(9, int(chance.expovariate(0.7)))
    fee = {"basic": 9.0, "family": 19.0, "pro": 29.0}[plan] + round(chance.gauss(0, 1.5), 2)
    leaning = PLANS[plan] + 0.5 * calls - 0.03 * (age - 42) - 1.6
    churned = int(chance.random() < 1 / (1 + math.exp(-leaning)))
    signed_up = (FIRST_DAY + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    country = chance.choice(("AT", "CH", "DE", "FR"))
    known_age = age if chance.random() > 0.08 else ""
    return [f"c{n:05}", signed_up, plan, country, known_age, calls, round(fee, 2), churned]


if __name__ == "__main__":
    main(sys.argv[1])
