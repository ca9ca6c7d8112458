"""Sensors: one module for each node type that waits for something outside its flow."""
