"""Workdirs in a bucket (gs://, s3://, az://)."""
