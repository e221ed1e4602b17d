"""Files in buckets (gs://, s3://, az://), and the cache of prepared sets that are read from there."""
