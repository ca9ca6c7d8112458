"""Tests of how a flow becomes a DAG."""
