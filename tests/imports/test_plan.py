"""What becomes of files that hold logins: each rule, and what no mixture of files and sessions can bring about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.foreign import Fault, Format, Unreadable
from actors.core.import_plan import (
    Candidate,
    Holding,
    Outcome,
    Prefer,
    Standing,
    Verdict,
    plan,
    session_key,
)
from actors.core.names import NAME_PATTERN, SessionKey
from actors.core.states import SessionState

ANNA, BERT = 4242, 777
NEW = Standing()


def file(
    path: str, *, key: str | None = None, account: int = ANNA, fingerprint: str | None = None, at: float = 1.0
) -> Candidate:
    tenant, _, app = (key or path).partition("/")
    named = SessionKey(tenant, app.partition(".")[0])
    return Candidate(path, named, Format.TELETHON_FILE, account, fingerprint or path, at)


def judge(*candidates: Candidate, standing: Standing = NEW, **wishes: object) -> list[Verdict]:
    return plan(candidates, {each.path: standing for each in candidates}, **wishes)  # type: ignore[arg-type]


def outcomes(verdicts: Sequence[Verdict]) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


# -- against the database


def test_what_the_database_does_not_know_is_imported() -> None:
    (verdict,) = judge(file("acme/crm.session"))

    assert verdict == Verdict(
        "acme/crm.session",
        Outcome.IMPORTED,
        "",
        SessionKey("acme", "crm"),
        Format.TELETHON_FILE,
        ANNA,
    )


def test_a_session_without_a_login_takes_one() -> None:
    assert outcomes(judge(file("a/b.x"), standing=Standing(SessionState.ABSENT))) == [Outcome.IMPORTED]


def test_the_same_key_under_the_same_name_is_there_already() -> None:
    standing = Standing(SessionState.AUTHORIZED, Holding.NOW, others_with_account=(SessionKey("x", "y"),))

    assert outcomes(judge(file("a/b.x"), standing=standing)) == [Outcome.PRESENT]


@pytest.mark.parametrize("state", [SessionState.ABSENT, SessionState.REVOKED, SessionState.AUTHORIZED])
def test_a_key_that_was_given_up_is_never_taken_back(state: SessionState) -> None:
    (verdict,) = judge(file("a/b.x"), standing=Standing(state, Holding.ONCE), prefer=Prefer.NEWEST)

    assert verdict.outcome is Outcome.REFUSED
    assert verdict.sentence.startswith("ended: ")


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.ABSENT])
def test_another_login_under_the_same_name_is_left_alone(state: SessionState) -> None:
    (verdict,) = judge(file("a/b.x"), standing=Standing(state), prefer=Prefer.NEWEST, same_account=True)

    assert verdict.outcome is Outcome.COLLISION
    assert "a/b" in verdict.sentence


def test_a_key_of_another_session_is_not_given_to_a_second_one() -> None:
    standing = Standing(others_with_key=(SessionKey("x", "y"),), others_with_account=(SessionKey("x", "y"),))

    (verdict,) = judge(file("a/b.x"), standing=standing, same_account=True)

    assert (verdict.outcome, "x/y" in verdict.sentence) == (Outcome.DUPLICATE_KEY, True)


def test_an_account_of_another_session_is_reported_unless_that_is_wanted() -> None:
    standing = Standing(others_with_account=(SessionKey("x", "y"),))

    assert outcomes(judge(file("a/b.x"), standing=standing)) == [Outcome.DUPLICATE_ACCOUNT]
    assert outcomes(judge(file("a/b.x"), standing=standing, same_account=True)) == [Outcome.IMPORTED]


# -- against each other


def test_two_files_with_one_key_are_both_reported() -> None:
    verdicts = judge(file("a/b.x", fingerprint="k"), file("a/c.x", fingerprint="k"))

    assert outcomes(verdicts) == [Outcome.DUPLICATE_KEY] * 2
    assert "a/c.x" in verdicts[0].sentence
    assert "--prefer newest" in verdicts[0].sentence


def test_two_files_for_one_session_are_both_reported() -> None:
    verdicts = judge(file("a/b.session"), file("b.string", key="a/b", account=BERT))

    assert outcomes(verdicts) == [Outcome.COLLISION] * 2


def test_two_files_of_one_account_are_both_reported_unless_that_is_wanted() -> None:
    files = file("a/b.x"), file("c/d.x")

    assert outcomes(judge(*files)) == [Outcome.DUPLICATE_ACCOUNT] * 2
    assert outcomes(judge(*files, same_account=True)) == [Outcome.IMPORTED] * 2


def test_the_newest_file_is_taken_if_that_is_wanted() -> None:
    files = file("a/old.x", at=1, fingerprint="k"), file("a/new.x", at=2, fingerprint="k")

    assert outcomes(judge(*files, prefer=Prefer.NEWEST)) == [Outcome.DUPLICATE_KEY, Outcome.IMPORTED]


def test_of_files_of_one_moment_one_is_taken() -> None:
    files = file("a/b.x"), file("a/c.x"), file("a/d.x")

    taken = outcomes(judge(*files, prefer=Prefer.NEWEST))

    assert taken.count(Outcome.IMPORTED) == 1


def test_a_file_is_not_saved_by_the_one_that_rules_it_out_being_ruled_out_too() -> None:
    first, second = file("a/b.x", account=1), file("b.x", key="a/b", account=2, fingerprint="k")
    third = file("a/c.x", account=3, fingerprint="k")

    verdicts = outcomes(judge(first, second, third))

    assert verdicts == [Outcome.COLLISION, Outcome.DUPLICATE_KEY, Outcome.DUPLICATE_KEY]


def test_a_crowd_of_rivals_makes_no_long_sentence() -> None:
    verdicts = judge(*(file(f"a/b{number}.x") for number in range(1000)))

    assert max(len(verdict.sentence) for verdict in verdicts) < 150
    assert "and 997 more" in verdicts[0].sentence


# -- any mixture

STANDINGS = st.builds(
    Standing,
    st.none() | st.sampled_from(SessionState),
    st.sampled_from(Holding),
    st.sampled_from([(), (SessionKey("x", "y"),)]),
    st.sampled_from([(), (SessionKey("x", "y"),)]),
)


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[Candidate], dict[str, Standing]]:
    count = draw(st.integers(0, 8))
    few = st.integers(1, 3)
    files = [
        file(
            f"{number}",
            key=f"a/s{draw(few)}",
            account=draw(few),
            fingerprint=f"k{draw(few)}",
            at=float(draw(few)),
        )
        for number in range(count)
    ]
    return files, {each.path: draw(STANDINGS) for each in files}


@given(mixtures(), st.sampled_from(Prefer), st.booleans())
def test_no_two_imports_share_a_name_a_key_or_an_account(
    mixture: tuple[list[Candidate], dict[str, Standing]], prefer: Prefer, same_account: bool
) -> None:
    files, standings = mixture

    verdicts = plan(files, standings, prefer=prefer, same_account=same_account)

    taken = [
        each for each, verdict in zip(files, verdicts, strict=True) if verdict.outcome is Outcome.IMPORTED
    ]
    assert len({each.key for each in taken}) == len(taken)
    assert len({each.fingerprint for each in taken}) == len(taken)
    if not same_account:
        assert len({each.account_id for each in taken}) == len(taken)
    for each in taken:
        standing = standings[each.path]
        assert standing.holding is Holding.NEVER
        assert standing.state in {None, SessionState.ABSENT}
        assert not standing.others_with_key
        assert same_account or not standing.others_with_account


@given(mixtures(), st.sampled_from(Prefer), st.randoms())
def test_the_order_of_files_decides_nothing(
    mixture: tuple[list[Candidate], dict[str, Standing]], prefer: Prefer, chance: object
) -> None:
    files, standings = mixture
    shuffled = list(files)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    first = {verdict.path: verdict.outcome for verdict in plan(files, standings, prefer=prefer)}
    second = {verdict.path: verdict.outcome for verdict in plan(shuffled, standings, prefer=prefer)}

    assert first == second


@given(mixtures())
def test_if_the_newest_is_preferred_something_is_taken_wherever_anything_could_be(
    mixture: tuple[list[Candidate], dict[str, Standing]],
) -> None:
    files, _ = mixture
    verdicts = plan(files, {each.path: NEW for each in files}, prefer=Prefer.NEWEST)

    assert not files or Outcome.IMPORTED in outcomes(verdicts)


# -- names


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("acme", "crm.session"), SessionKey("acme", "crm")),
        (("crm.session",), SessionKey("default", "crm")),
        (("crm.string",), SessionKey("default", "crm")),
    ],
)
def test_a_place_names_a_session(parts: tuple[str, ...], key: SessionKey) -> None:
    assert session_key(parts, "default") == key


@pytest.mark.parametrize(
    ("parts", "better"),
    [
        (("+4917012345.session",), "4917012345.session"),
        (("acme", "my bot.session"), "acme/my-bot.session"),
        (("фирма", "касса.session"), "session/session.session"),
        (("acme", "a" * 70 + ".session"), "acme/" + "a" * 64 + ".session"),
        (("acme", "v1.2.session"), "acme/v1-2.session"),
    ],
)
def test_a_name_that_is_not_allowed_gets_a_better_one(parts: tuple[str, ...], better: str) -> None:
    with pytest.raises(Unreadable, match="rename it to ") as refused:
        session_key(parts, "default")

    assert refused.value.fault is Fault.NAME
    assert str(refused.value).endswith(better)


@given(st.text(min_size=1, max_size=200))
def test_every_suggested_name_is_allowed(name: str) -> None:
    try:
        session_key((f"{name}.session",), "default")
    except Unreadable as refused:
        suggested = str(refused).rpartition("rename it to ")[2].removesuffix(".session")
        SessionKey("tenant", suggested)
    assert NAME_PATTERN
