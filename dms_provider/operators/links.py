"""Buttons of a task in Airflow's UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class AuditReportLink(BaseOperatorLink):
    """Leads to the report of an audit: a file, or an object.

    Where the setting ``[dms] report_url`` says under which address the folder of reports can be read, the
    link is that address and the name of the report.
    """

    name = "Audit report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the report; empty where there is none.

        :param operator: the audit
        :param ti_key: of the task instance
        """
        from airflow.providers.common.compat.sdk import XCom, conf

        from dms_provider.audit.store import link
        from dms_provider.operators.audit import AUDIT_XCOM_KEY

        summary = XCom.get_value(key=AUDIT_XCOM_KEY, ti_key=ti_key)
        location = summary.get("report") if isinstance(summary, Mapping) else None
        report_url = conf.get("dms", "report_url", fallback=None)
        return link(location, report_url) if isinstance(location, str) else ""
