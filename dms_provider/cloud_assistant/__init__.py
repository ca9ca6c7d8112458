"""Cloud Assistant: scripts on ECS instances, through the ECS API. Needs no Airflow.

The official SDK, ``alibabacloud-ecs20140526``, takes about two seconds to import: only a request does.
"""
