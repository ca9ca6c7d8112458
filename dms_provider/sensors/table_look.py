"""One look into a table, on a worker or in the triggerer, that can be stopped at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dms_provider.sensors.look import Log, Look, LookFailed
from dms_provider.sensors.newer_rows import NewerRows
from dms_provider.sessions.redaction import Redactor
from dms_provider.sessions.session import DatabaseError, Session
from dms_provider.sessions.source import ConnectionNotGiven, Source, SourceError, open_source
from dms_provider.variables.scope import MissingValue, read_secret
from dms_provider.variables.values import AuthorText, Data, Value


class TableLook(Look):
    """Looks for a row, as often as asked to; each time in a session of its own.

    :param conn_id: Airflow connection of the data source
    :param owner: of the flow
    :param rows: what to look for
    :param values: of the names in it, apart from secrets
    :param secrets: name of each secret in it -> key of the Airflow Variable that holds it
    """

    def __init__(
        self,
        *,
        conn_id: str,
        owner: str,
        rows: NewerRows,
        values: Mapping[str, Value],
        secrets: Mapping[str, str],
    ) -> None:
        self.conn_id = conn_id
        self._owner = owner
        self._rows = rows
        self._values = values
        self._secrets = secrets
        self._source: Source | None = None
        self._all_values: Mapping[str, Value] = {}
        self._session: Session | None = None
        self._killed = False
        self._has_been_given = False
        self._notes: dict[str, bool] = {}

    @property
    def asked(self) -> str:
        """The connection."""
        return self.conn_id

    def is_there(self, timeout: timedelta | None) -> bool:
        """Ask the database, and wait for its answer.

        The connection and the secrets are read at the first look, and again after one that failed. What was
        there once may be there again.

        :param timeout: the statement may go on for no longer, even when this process has died
        :return: whether there is a row
        :raises LookFailed: the database gave no answer, or what is asked cannot be asked
        :raises SessionStopped: :meth:`kill` was called
        """
        from airflow.sdk.exceptions import AirflowRuntimeError

        redactor = Redactor()
        problem: LookFailed
        try:
            self.is_looking = True
            source = self._open(timeout)
            redactor = source.redactor
            return self._ask(source)
        except DatabaseError as error:
            problem = LookFailed(f"{self.conn_id}: {error}", may_pass=error.may_pass)
        except AirflowRuntimeError as error:
            problem = LookFailed(f"Airflow did not give connection {self.conn_id}: {error}", may_pass=True)
        except (SourceError, ValueError, LookupError) as error:
            is_gone = isinstance(error, (ConnectionNotGiven, MissingValue))
            problem = LookFailed(redactor.redact(str(error)), may_pass=is_gone and self._has_been_given)
        finally:
            self.is_looking = False
        self._source = None
        raise problem

    def kill(self) -> None:
        """Stop the look, on the server too, and every further one."""
        self._killed = True
        if self._session is not None:
            self._session.kill()

    def report(self, log: Log) -> None:
        """Log what could not be set up on the server; each note once."""
        for note in [note for note, is_told in self._notes.items() if not is_told]:
            log.warning("%s: %s", self.conn_id, note)
            self._notes[note] = True

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` makes it of again. Of secrets, only where they are kept is in it."""
        return {
            "conn_id": self.conn_id,
            "owner": self._owner,
            "rows": self._rows.to_json(),
            "values": {name: _value_to_json(value) for name, value in self._values.items()},
            "secrets": dict(self._secrets),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TableLook:
        """Read back what :meth:`to_json` gave of a look that was made before."""
        look = cls(
            conn_id=stored["conn_id"],
            owner=stored["owner"],
            rows=NewerRows(**stored["rows"]),
            values={name: _value_from_json(value) for name, value in stored["values"].items()},
            secrets=stored["secrets"],
        )
        look._has_been_given = True
        return look

    def _open(self, timeout: timedelta | None) -> Source:
        if self._source is None:
            source = open_source(self.conn_id, owner=self._owner, timeout=timeout)
            found = {name: read_secret(name, key) for name, key in self._secrets.items()}
            source.redactor.add(value.text for value in found.values())
            self._all_values = {**self._values, **found}
            self._source = source
            self._has_been_given = True
        return self._source

    def _ask(self, source: Source) -> bool:
        from dms_provider.dialects import bind, dialect
        from dms_provider.operators.sql import server_mode

        language = dialect(source.conn_type)
        session = Session(source)
        self._session = session
        if self._killed:
            session.kill()
        with session:
            self._notes.update({note: self._notes.get(note, False) for note in session.notes})
            mode = server_mode(session, language)
            query = self._rows.query(self._all_values, language, mode)
            sql, parameters = bind(query, language, mode, source.server.placeholder)
            found = session.row(sql, parameters)
        if found is None:
            return False
        self._rows.check_found(found[0], self._all_values, language)
        return True


def split_secrets(
    values: Mapping[str, Value], keys: Mapping[str, str]
) -> tuple[dict[str, Value], dict[str, str]]:
    """Part secrets from the other values, so that they can be left where they are kept.

    :param keys: name of each secret of the flow -> key of its Airflow Variable
    :return: the other values, and the keys of those that are secret
    """
    plain: dict[str, Value] = {}
    secret: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, AuthorText) and value.secret:
            secret[name] = keys[name]
        else:
            plain[name] = value
    return plain, secret


def _value_to_json(value: Value) -> dict[str, Any]:
    return {"text": value.text} if isinstance(value, AuthorText) else value.to_xcom()


def _value_from_json(stored: Mapping[str, Any]) -> Value:
    return AuthorText(stored["text"]) if "text" in stored else Data.from_xcom(stored)
