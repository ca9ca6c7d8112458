"""What stands in the place of an Airflow hook whose provider is not installed."""

from __future__ import annotations

from typing import Any, NoReturn

from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk.exceptions import AirflowOptionalProviderFeatureException


def missing_hook(extra: str, error: ImportError) -> type[DbApiHook]:
    """Return a hook that can be declared, and says what to install where it is used or tested.

    :param extra: of this package, which brings the real hook
    :param error: why the real hook cannot be imported
    """
    message = f"{error}; pip install 'airflow-provider-dms[{extra}]'"

    class MissingHook(DbApiHook):
        """Cannot connect: its driver is not installed."""

        ignored_extra_options: frozenset[str] = frozenset()

        def get_conn(self) -> NoReturn:
            raise AirflowOptionalProviderFeatureException(message)

        def get_first(self, *arguments: Any, **options: Any) -> NoReturn:
            raise AirflowOptionalProviderFeatureException(message)

    return MissingHook
