"""The host: sources put together from their parts, run, watched, reloaded and stopped."""
