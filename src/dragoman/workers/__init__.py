"""Worker processes: how they are started, spoken to, grouped in pools, grown, replaced and stopped."""
