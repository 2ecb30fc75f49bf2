"""What warm-up learns, one quantity a file; `warmup` puts them together."""
