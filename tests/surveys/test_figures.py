"""Figures from real rows: by group, by account, by revenue; coverage; who renews; periods."""

from __future__ import annotations

from datetime import date, timedelta

from tests.surveys.conftest import TODAY, YEAR, Town, groups, whole
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import coverage, figures, numbers, rules
from worker.surveys.counting import Asked
from worker.surveys.figures import METHODS


def test_a_figure_says_its_sample_its_interval_and_its_method(town: Town) -> None:
    for score in (1, 7, 8, 9, 9, 10):
        town.said(score)
    assert whole(town.report()).record() == {
        "group": None,
        "n": 6,
        "promoters": 3,
        "passives": 2,
        "detractors": 1,
        "nps": 33.33,
        "low": -26.74,
        "high": 71.19,
        "method": "answers/adjusted-wald",
        "population": None,
        "response_rate": None,
    }


def test_each_method_gives_what_the_arithmetic_gives(town: Town) -> None:
    """SQL against the plain functions, on answers that several people of an account gave."""
    said = []
    for number in range(30):
        account, role = f"A-{number % 7}", ("technical", "decision-maker", None)[number % 3]
        town.said(number % 11, account, role=role)
        said.append((account, role, number % 11))
    for number in range(7):
        town.licence(f"L-{number}", f"A-{number}", str(10 * (number + 1)), end=date(2027, 1, 1))
    found = {one.method: one for one in town.report(methods=METHODS).whole}
    by_account = numbers.by_account((account, score) for account, _, score in said)
    expected = {
        "answers/adjusted-wald": numbers.votes_of(numbers.tally(s for *_, s in said)),
        "accounts/adjusted-wald": by_account,
        "influence/adjusted-wald": numbers.by_influence(said),
    }
    for method, votes in expected.items():
        plain, counted = numbers.estimate(votes), found[method].estimate
        for one, other in zip(
            (plain.value, plain.low, plain.high),
            (counted.value, counted.low, counted.high),
            strict=True,
        ):
            assert abs(one - other) < 1e-9, method
    assert found["accounts/adjusted-wald"].n == 7
    means = {a: numbers.by_account([(a, s) for b, _, s in said if b == a]).mean for a, *_ in said}
    weights = {f"A-{number}": number + 1 for number in range(7)}
    expected_mean = sum(weights[a] * mean for a, mean in means.items()) / sum(weights.values())
    assert abs(found["revenue-EUR/kish"].estimate.value - expected_mean) < 1e-9


def test_the_vector_of_revenue_comes_out_of_the_book(town: Town) -> None:
    for number, (score, weight) in enumerate(zip((10, 2, 9, 8, 7), (2, 8, 2, 2, 8), strict=True)):
        town.said(score, f"A-{number}")
        town.licence(f"L-{number}", f"A-{number}", f"{weight}000")
    assert whole(town.report(methods=["revenue"])).record()["nps"] == -18.18


def test_groups_are_those_of_the_day_of_the_answer_or_of_todays_book(town: Town) -> None:
    town.account("R-1")
    town.account("A-1", account_manager="anna")
    town.account("A-2", reseller="R-1")
    for account, score, segment, product in (
        ("A-1", 10, "smb", "Backup"),
        ("A-2", 0, "mid", None),
        ("R-1", 7, None, "Backup"),
    ):
        town.said(score, account, f"2026-{score + 1:02}-05", segment=segment, product=product)
    asked = {
        "segment": {"smb": (1, 100.0), "mid": (1, -100.0), "": (1, 0.0)},
        "product": {"Backup": (2, 50.0), "": (1, -100.0)},
        "owner": {"anna": (1, 100.0), "": (2, -50.0)},
        "channel": {
            "direct client": (1, 100.0),
            "client of a reseller": (1, -100.0),
            "reseller": (1, 0.0),
        },
        "account": {"A-1": (1, 100.0), "A-2": (1, -100.0), "R-1": (1, 0.0)},
        "month": {"2026-01": (1, -100.0), "2026-08": (1, 0.0), "2026-11": (1, 100.0)},
        "role": {"": (3, 0.0)},
        "schedule": {"surveys": (3, 0.0)},
    }
    for by, expected in asked.items():
        assert groups(town.report(by)) == expected, by


def test_population_and_response_rate_are_known_where_people_are(town: Town) -> None:
    for number in range(10):
        invitation = town.asked(f"C-{number}", f"A-{number % 5}", role="technical")
        if number < 4:
            town.answer(invitation, 9)
    found = whole(town.report())
    assert (found.population, found.response_rate) == (10, 0.4)
    assert found.method == "answers/adjusted-wald/finite"
    (group,) = town.report("segment").groups
    assert (group.group, group.population, group.response_rate) == ("smb", 10, 0.4)
    (product,) = town.report("product").groups
    assert product.population is None, "the book does not say who uses what"


def test_whoever_answered_twice_makes_no_sample_of_a_finite_population(town: Town) -> None:
    """Else the interval would shrink as if more of the people had been heard."""
    for number in range(10):
        person = town.contact(f"C-{number}", f"A-{number}")
        if number < 4:
            town.said(9, f"A-{number}", contact_id=person)
    once = whole(town.report())
    assert once.method == "answers/adjusted-wald/finite"
    town.said(9, "A-0", contact_id=town.contacts["C-0"])
    twice = whole(town.report())
    assert (twice.method, twice.population) == ("answers/adjusted-wald", 10)
    assert twice.estimate == numbers.estimate(numbers.votes_of(twice.tally))


def test_only_the_period_and_the_schedule_that_were_asked_for_count(town: Town) -> None:
    town.said(10, on="2026-01-01")
    town.said(0, on="2025-12-31")
    town.said(0, schedule="yearly")
    assert whole(town.report(schedule="surveys")).record()["nps"] == 100
    assert whole(town.report(period=Period(date(2025, 12, 31), date(2025, 12, 31)))).n == 1


def test_a_period_is_compared_with_as_many_days_before(town: Town) -> None:
    assert figures.before(Period(date(2026, 3, 1), date(2026, 3, 31))) == Period(
        date(2026, 1, 29), date(2026, 2, 28)
    )
    for on, scores in (("2025-06-01", (0,) * 18 + (10,) * 12), ("2026-06-01", (10,) * 20)):
        for number, score in enumerate(scores):
            town.said(score, f"A-{number}", on)
    for number in range(10):
        town.said(0, f"A-{number}", "2026-07-01")
    with reading(town.engine) as conn:
        found = figures.change(conn, Asked(YEAR))
        shared = figures.shared_change(conn, Asked(YEAR))
    assert found is not None
    assert shared is not None
    assert (round(found.value, 4), round(found.p, 4)) == (0.4848, 0.0371)
    assert abs(shared.value - (1 / 3 + 0.2)) < 1e-9
    assert shared.low < shared.value < shared.high


# --- coverage, and whom to ask ---


def test_coverage_tells_accounts_revenue_and_decision_makers(town: Town) -> None:
    for number, amount in enumerate(("100", "300", "600"), 1):
        town.licence(f"L-{number}", f"A-{number}", amount)
        town.contact(f"C-{number}", f"A-{number}", coverage.DECIDES)
    town.said(9, "A-1", contact_id=town.contacts["C-1"])
    town.answer(town.asked("C-2", "A-2", rules.ANONYMOUS), 3)
    town.said(9, "A-9")  # no licence
    with reading(town.engine) as conn:
        found = coverage.coverage(conn, YEAR)
    assert [(part.what, part.heard, part.all, part.currency) for part in found] == [
        ("accounts", 2, 3, None),
        ("revenue", 400_00, 1000_00, "EUR"),
        ("decision-makers", 2, 3, None),
    ]


def test_whom_to_ask_next_is_who_may_be_asked_and_is_worth_most(town: Town) -> None:
    for number in range(1, 7):
        town.licence(f"L-{number}", f"A-{number}", f"{number}00")
        town.contact(f"C-{number}", f"A-{number}", coverage.DECIDES, opt_out=number == 6)
    town.asked("C-5", "A-5")  # today
    town.asked("C-4", "A-4", asked_on=TODAY - timedelta(days=91))
    town.said(3, "A-3")
    town.licence("L-7", "A-7", "100", "PLN")
    town.contact("C-7", "A-7")
    with reading(town.engine) as conn:
        rows = coverage.ask_next(conn, YEAR, TODAY)
    assert [(row.key, row.currency, row.cents, row.deciders) for row in rows] == [
        ("A-4", "EUR", 400_00, 1),
        ("A-2", "EUR", 200_00, 1),
        ("A-1", "EUR", 100_00, 1),
        ("A-7", "PLN", 100_00, 0),
    ]
    assert rows[0].asked_on == TODAY - timedelta(days=91)


def test_who_renews_is_counted_by_what_their_account_last_said(town: Town) -> None:
    """The last answer in the year before the expiry; what was said later or long ago is not it."""
    cases = {
        "promoter": [(10, "2026-05-01"), (0, "2026-04-01")],
        "passive": [(7, "2026-05-01"), (0, "2026-07-15")],
        "detractor": [(3, "2026-06-30")],
        "not asked": [(10, "2025-06-30")],
        "silent": [],
    }
    for number, (name, answers) in enumerate(cases.items()):
        for renewed in (True, False, True):
            key = f"L-{number}-{len(town.accounts)}-{renewed}"
            account = f"A-{number}-{len(town.accounts)}"
            town.licence(key, account, renewed=renewed)
            for score, on in answers:
                town.said(score, account, on)
            if name == "silent":
                town.asked(f"C-{account}", account, asked_on=date(2026, 6, 1))
    town.licence("L-open", "A-open", end=TODAY - timedelta(days=3))
    with reading(town.engine) as conn:
        found = coverage.renewal_by_stance(conn, YEAR, TODAY)
    told = {one.name: (one.renewed, one.due) for one in found}
    assert told == dict.fromkeys(coverage.STANCES, (2, 3))
    assert found[0].rate.low is not None
    assert found[0].rate.low < 2 / 3
