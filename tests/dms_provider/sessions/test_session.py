from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from dms_provider.sessions.session import DatabaseError, Session, SessionStopped
from tests.dms_provider.databases import Database


@pytest.fixture
def session(database: Database) -> Session:
    return Session(database.source())


def kill_after(session: Session, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, session.kill)
    timer.start()
    return timer


def test_statements_are_committed_one_by_one(database: Database, session: Session) -> None:
    with session:
        session.execute("DROP TABLE IF EXISTS dms_t")
        session.execute("CREATE TABLE dms_t (n INTEGER)")
        assert session.execute("INSERT INTO dms_t VALUES (1), (2)") == 2
        with Session(database.source()) as other:
            assert other.first_row("SELECT count(*) FROM dms_t") == (2,)


def test_rows_of_a_query_are_counted_and_let_go(session: Session) -> None:
    with session:
        assert session.execute("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", is_query=True) == 3
        assert session.execute("SELECT 1 UNION ALL SELECT 2", is_query=False) == 2


def test_percent_signs_reach_the_server(session: Session) -> None:
    with session:
        assert session.first_row("SELECT '100%s %d %'") == ("100%s %d %",)
        assert session.execute("SELECT '100%s'", is_query=True) == 1


# psycopg has no such switch: there the splitting alone keeps statements apart.
@pytest.mark.parametrize("database", ["mariadb", "mysql", "sqlite"], indirect=True)
def test_no_text_holds_two_statements(session: Session) -> None:
    with session:
        session.execute("DROP TABLE IF EXISTS dms_t")
        session.execute("CREATE TABLE dms_t (n INTEGER)")
        with pytest.raises((DatabaseError, Warning)):
            session.execute("INSERT INTO dms_t VALUES (1); INSERT INTO dms_t VALUES (2)")
        assert session.first_row("SELECT count(*) FROM dms_t") == (0,)


def test_characters_of_four_bytes(session: Session) -> None:
    with session:
        assert session.first_row("SELECT '𝄞 飞行'") == ("𝄞 飞行",)


def test_an_unfinished_transaction_is_undone(database: Database, session: Session) -> None:
    with session:
        session.execute("DROP TABLE IF EXISTS dms_t")
        session.execute("CREATE TABLE dms_t (n INTEGER)")
    with Session(database.source()) as second:
        second.begin()
        second.execute("INSERT INTO dms_t VALUES (1)")
    with Session(database.source()) as third:
        assert third.first_row("SELECT count(*) FROM dms_t") == (0,)


def test_a_running_statement_is_killed_on_the_server(database: Database, session: Session) -> None:
    with session:
        timer = kill_after(session, 0.5)
        with pytest.raises(SessionStopped, match="source"):
            session.execute(database.slow, is_query=True)
        timer.join()
        database.wait_for_silence()
        with pytest.raises(SessionStopped):
            session.execute("SELECT 1", is_query=True)


def test_cancelling_goes_on_until_it_succeeds(
    database: Database, session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = type(session._source.server)
    cancel, failures = (
        server.cancel,
        iter([OSError("no way out"), OSError("no way out"), LookupError("nor here")]),
    )

    def cancel_later(self: Any, *arguments: Any) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        cancel(self, *arguments)

    monkeypatch.setattr("dms_provider.sessions.session._KILL_SECONDS", 0.1)
    monkeypatch.setattr(server, "cancel", cancel_later)
    with session:
        kill_after(session, 0.3)
        with pytest.raises(SessionStopped):
            session.execute(database.slow, is_query=True)
        database.wait_for_silence()
    assert [record.args for record in caplog.records] == [("source", "no way out"), ("source", "nor here")]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_signal_that_does_not_interrupt_the_wait_is_heard(database: Database, session: Session) -> None:
    heard: list[int] = []

    def stop(number: int, _: Any) -> None:
        heard.append(number)
        session.kill()

    def give_up() -> None:
        heard.append(0)
        session.kill()

    # As one does that comes just before the wait: Python notes it, and the wait goes on.
    past_the_main_thread = threading.Timer(
        0.5, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    )
    before = signal.signal(signal.SIGUSR1, stop)
    with session:
        past_the_main_thread.start()
        in_the_end = threading.Timer(30, give_up)
        in_the_end.start()
        try:
            with pytest.raises(SessionStopped):
                session.execute(database.slow)
        finally:
            in_the_end.cancel()
            signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


def test_rows_that_are_being_fetched_are_killed_on_the_server(database: Database, session: Session) -> None:
    timers: list[threading.Timer] = []

    def fetch_all() -> None:
        with session, session.query(database.endless) as query:
            while not query.at_end:
                query.fetch(None)
                timers.extend([kill_after(session, 0.3)] if not timers else [])

    with pytest.raises(SessionStopped):
        fetch_all()
    (timer,) = timers
    timer.join()
    database.wait_for_silence()


def test_rows_that_are_being_let_go_are_killed_on_the_server(database: Database, session: Session) -> None:
    with session:
        timer = kill_after(session, 0.5)
        with pytest.raises(SessionStopped):
            session.execute(database.endless, is_query=True)
    timer.join()
    database.wait_for_silence()


# Only MySQL's SLEEP() reports success when it is killed.
@pytest.mark.parametrize("database", ["mariadb", "mysql"], indirect=True)
def test_success_after_a_kill_is_no_success(session: Session) -> None:
    with session:
        kill_after(session, 0.3)
        with pytest.raises(SessionStopped):
            session.execute("SELECT SLEEP(60)", is_query=True)


def test_a_session_that_was_stopped_before_it_began(session: Session) -> None:
    session.kill()
    with pytest.raises(SessionStopped), session:
        pytest.fail("the session must not open")


def test_rows_that_nobody_wants_stay_on_the_server(database: Database, session: Session) -> None:
    with session:
        with session.query(database.endless) as query:
            assert len(query.fetch(1)) == 1
        database.wait_for_silence()
    with Session(database.source()) as again:
        assert again.first_row("SELECT 1") == (1,)


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_the_other_driver_of_mysql_reads_no_rows_that_nobody_wants(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri_with("client=mysql-connector-python"))
    codes: list[int] = []
    with Session(database.source()) as session, session.query(database.endless) as query:
        assert len(query.fetch(1)) == 1
        read = session._connection.get_rows

        def get_rows(*arguments: Any, **options: Any) -> Any:
            try:
                return read(*arguments, **options)
            except Exception as error:
                codes.append(getattr(error, "errno", 0))
                raise

        session._connection.get_rows = get_rows
    session._thread.join()
    # To hear of the interruption, it would have to read all that was under way.
    assert 1317 not in codes
    database.wait_for_silence()


def test_an_interrupted_user_leaves_nothing_running(database: Database, session: Session) -> None:
    class TimedOut(BaseException):
        """Like Airflow's own, no Exception."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise TimedOut

    import signal

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(TimedOut), session:
            session.execute(database.slow, is_query=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    database.wait_for_silence()


def test_errors_hold_no_secret(database: Database) -> None:
    source = database.source()
    source.redactor.add(["hunter2secret", "pw"])
    with Session(source) as session:
        with pytest.raises(DatabaseError) as raised:
            session.execute("SELECT hunter2secret FROM no_such_pw")
        assert "hunter2" not in str(raised.value)
        assert "pw" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None


def test_a_statement_has_no_more_time_than_its_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri_with("statement_timeout=1&allowed_owners=alice"))
    with Session(database.source()) as session:
        assert session.notes == ()
        with pytest.raises(DatabaseError):
            session.execute(database.slow, is_query=True)
    database.wait_for_silence()


# These have no limit of their own for what is no query, or for anything.
@pytest.mark.parametrize("database", ["mysql", "sqlite"], indirect=True)
def test_a_change_has_no_more_time_than_its_limit(
    database: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session:
        session.execute("DROP TABLE IF EXISTS dms_limited")
        session.execute("CREATE TABLE dms_limited (n bigint)")
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri_with("statement_timeout=0.5&allowed_owners=alice"))
    told = r"^took longer than its limit of 0\.5 s, and was cancelled$"
    with Session(database.source()) as limited, pytest.raises(DatabaseError, match=told):
        limited.execute(f"INSERT INTO dms_limited {database.slow}")
    database.wait_for_silence()
    with Session(database.source()) as again:
        assert again.first_row("SELECT count(*) FROM dms_limited") == (0,)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_character_that_the_session_does_not_have(database: Database, session: Session) -> None:
    with session:
        session.execute("SET client_encoding = 'LATIN1'")
        with pytest.raises(DatabaseError, match=r"^'\\u98de' is not in .* \(latin-1\); set that to UTF-8$"):
            session.execute("SELECT '飞'")
        assert session.first_row("SELECT 'é'") == ("é",)


@pytest.mark.parametrize("database", ["mariadb", "mysql"], indirect=True)
def test_a_date_that_no_calendar_has_is_no_null(database: Database, session: Session) -> None:
    with session:
        session.execute("SET sql_mode = ''")
        session.execute("DROP TABLE IF EXISTS dms_dates")
        session.execute("CREATE TABLE dms_dates (day date, at datetime, nothing date)")
        session.execute("INSERT INTO dms_dates VALUES ('0000-00-00', '2020-00-10 01:02:03', NULL)")
        assert session.first_row("SELECT * FROM dms_dates") == ("0000-00-00", "2020-00-10 01:02:03", None)
